//! What all derives read from a field: its docs and its options.

use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Expr, Field, Fields, Lit, Meta, Result};

/// The doc comment's first paragraph, in one line.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines =
        attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(|attribute| match &attribute
            .meta
        {
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Some(text.value().trim().to_owned()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        });
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The named fields of a struct.
pub(crate) fn named_fields(input: &DeriveInput) -> Result<Vec<&Field>> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields.named.iter().collect()),
            Fields::Unit => Ok(Vec::new()),
            Fields::Unnamed(fields) => Err(Error::new(fields.span(), "expected named fields")),
        },
        _ => Err(Error::new(input.span(), "expected a struct")),
    }
}

/// A field's or variant's `#[arg(...)]`, `#[export(...)]`, `#[metric(...)]`.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) flags: Vec<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) buckets: Option<Expr>,
}

impl Options {
    pub(crate) fn read(attributes: &[Attribute], which: &str, allowed: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(which)) {
            attribute.parse_nested_meta(|meta| {
                let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                if !allowed.contains(&key.as_str()) {
                    return Err(meta.error(format!("expected one of {}", allowed.join(", "))));
                }
                match key.as_str() {
                    "name" => options.name = Some(meta.value()?.parse::<syn::LitStr>()?.value()),
                    "labels" => {
                        let list: syn::ExprArray = meta.value()?.parse()?;
                        for element in &list.elems {
                            match element {
                                Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => {
                                    options.labels.push(text.value())
                                }
                                other => return Err(Error::new(other.span(), "expected a string")),
                            }
                        }
                    }
                    "buckets" => options.buckets = Some(meta.value()?.parse()?),
                    _ => options.flags.push(key),
                }
                Ok(())
            })?;
        }
        Ok(options)
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }
}
