//! `#[derive(Enumeration)]`: a closed set of texts.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

use crate::attributes::Options;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(input, "expected an enum"));
    };
    let mut texts = Vec::new();
    let mut variants = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(variant, "expected a variant without fields"));
        }
        let options = Options::read(&variant.attrs, "arg", &["name"])?;
        let ident = &variant.ident;
        let text = options.name.unwrap_or_else(|| snake_case(&ident.to_string()));
        variants.push(quote!((#text, #name::#ident)));
        texts.push(text);
    }
    Ok(quote! {
        impl ::corten_component::Enumeration for #name {
            const VARIANTS: &'static [(&'static str, Self)] = &[#(#variants),*];
            const NAMES: &'static [&'static str] = &[#(#texts),*];
        }
        impl ::corten_component::Attribute for #name {
            fn type_name() -> ::std::string::String {
                "string".into()
            }
            fn from_value(
                value: &::corten_component::private::Value,
            ) -> ::std::result::Result<Self, ::corten_component::ValueError> {
                <Self as ::corten_component::Enumeration>::parse(value)
            }
            fn to_value(&self) -> ::corten_component::private::Value {
                ::corten_component::private::Value::String(::corten_component::Enumeration::as_str(*self).into())
            }
            fn choices() -> &'static [&'static str] {
                <Self as ::corten_component::Enumeration>::NAMES
            }
        }
    })
}

fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}
