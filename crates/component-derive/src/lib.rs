//! Derives for the contract in `corten-component`: `Arguments`, `Enumeration`, `Exports`, `Metrics`.
//!
//! Each expands to a plain table that one driver reads, so that a component costs little to compile and its
//! declaration can be walked by validation, reference pages and completions.

mod arguments;
mod attributes;
mod enumeration;
mod exports;
mod metrics;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// See `corten_component::Arguments`.
#[proc_macro_derive(Arguments, attributes(arg, arguments))]
pub fn derive_arguments(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    arguments::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// See `corten_component::Enumeration`.
#[proc_macro_derive(Enumeration, attributes(arg))]
pub fn derive_enumeration(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    enumeration::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// See `corten_component::Exports`.
#[proc_macro_derive(Exports, attributes(export))]
pub fn derive_exports(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    exports::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// See `corten_component::metrics::Metrics`.
#[proc_macro_derive(Metrics, attributes(metric))]
pub fn derive_metrics(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    metrics::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
