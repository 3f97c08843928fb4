//! `#[derive(Metrics)]`: a struct of counters, gauges and histograms with their names and docs.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Result, Type};

use crate::attributes::{Options, doc, named_fields};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let mut docs = Vec::new();
    let mut values = Vec::new();
    for field in named_fields(input)? {
        let Some(ident) = &field.ident else { continue };
        let options = Options::read(&field.attrs, "metric", &["name", "labels", "buckets"])?;
        let Some(metric) = options.name else {
            return Err(Error::new_spanned(field, "expected #[metric(name = \"...\")]"));
        };
        let help = doc(&field.attrs);
        let labels = &options.labels;
        let kind = match &field.ty {
            Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default(),
            _ => String::new(),
        };
        let (variant, value) = match kind.as_str() {
            "Counter" => (quote!(Counter), quote!(scope.counter(#metric, #help, labels))),
            "Gauge" => (quote!(Gauge), quote!(scope.gauge(#metric, #help, labels))),
            "Histogram" => {
                let Some(buckets) = &options.buckets else {
                    return Err(Error::new_spanned(field, "a histogram needs `buckets = ...`"));
                };
                (quote!(Histogram), quote!(scope.histogram(#metric, #help, &#buckets, labels)))
            }
            _ => return Err(Error::new_spanned(&field.ty, "expected Counter, Gauge or Histogram")),
        };
        docs.push(quote! {
            ::corten_component::metrics::MetricDoc {
                name: #metric,
                kind: ::corten_component::metrics::MetricKind::#variant,
                help: #help,
                labels: &[#(#labels),*],
            }
        });
        values.push(quote!(#ident: #value));
    }
    Ok(quote! {
        impl ::corten_component::metrics::Metrics for #name {
            const DOCS: &'static [::corten_component::metrics::MetricDoc] = &[#(#docs),*];
            fn register(scope: &::corten_component::metrics::Scope, labels: &[(&str, &str)]) -> Self {
                Self { #(#values),* }
            }
        }
    })
}
