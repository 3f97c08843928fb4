//! `#[derive(Arguments)]`: a table of fields.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Result};

use crate::attributes::{Options, doc, named_fields};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let struct_doc = doc(&input.attrs);
    let validates = Options::read(&input.attrs, "arguments", &["validate"])?.has("validate");
    let mut rows = Vec::new();
    for field in named_fields(input)? {
        let Some(ident) = &field.ident else { continue };
        let ty = &field.ty;
        let options = Options::read(&field.attrs, "arg", &["name", "required", "block", "flatten"])?;
        let field_name = options.name.clone().unwrap_or_else(|| ident.to_string().trim_start_matches("r#").to_owned());
        let field_doc = doc(&field.attrs);
        let required = options.has("required");
        if options.has("block") && options.has("flatten") {
            return Err(Error::new_spanned(field, "a field is either a block or flattened"));
        }
        // The driver only hands a table its own struct; a foreign one is left alone.
        let kind = if options.has("flatten") {
            quote! {
                ::corten_component::arguments::FieldKind::Flatten(::corten_component::arguments::FlattenField {
                    schema: <#ty as ::corten_component::Arguments>::schema,
                    get: |target| match target.downcast_ref::<#name>() {
                        Some(target) => &target.#ident,
                        None => target,
                    },
                    get_mut: |target| if target.is::<#name>() {
                        match target.downcast_mut::<#name>() {
                            Some(target) => &mut target.#ident,
                            None => unreachable!("checked above"),
                        }
                    } else {
                        target
                    },
                })
            }
        } else if options.has("block") {
            quote! {
                ::corten_component::arguments::FieldKind::Block(::corten_component::arguments::BlockField {
                    repeat: <#ty as ::corten_component::private::BlockSlot>::REPEAT,
                    schema: <#ty as ::corten_component::private::BlockSlot>::schema,
                    decode: |target, block, diagnostics| if let Some(target) = target.downcast_mut::<#name>() {
                        ::corten_component::private::BlockSlot::take(&mut target.#ident, block, diagnostics);
                    },
                    get: |target| target
                        .downcast_ref::<#name>()
                        .map(|target| ::corten_component::private::BlockSlot::view(&target.#ident))
                        .unwrap_or_default(),
                })
            }
        } else {
            quote! {
                ::corten_component::arguments::FieldKind::Attribute(::corten_component::arguments::AttributeField {
                    type_name: <#ty as ::corten_component::Attribute>::type_name,
                    choices: <#ty as ::corten_component::Attribute>::choices,
                    set: |target, value| {
                        let value = <#ty as ::corten_component::Attribute>::from_value(value)?;
                        if let Some(target) = target.downcast_mut::<#name>() {
                            target.#ident = value;
                        }
                        Ok(())
                    },
                    try_value: |value| <#ty as ::corten_component::Attribute>::from_value(value).map(|_| ()),
                    get: |target| target
                        .downcast_ref::<#name>()
                        .map(|target| ::corten_component::Attribute::to_value(&target.#ident))
                        .unwrap_or_default(),
                })
            }
        };
        rows.push(quote! {
            ::corten_component::arguments::Field {
                name: #field_name,
                doc: #field_doc,
                required: #required,
                kind: #kind,
            }
        });
    }
    let check = if validates {
        quote! {
            fn check(&self) -> ::std::result::Result<(), ::corten_component::Invalid> {
                self.validate()
            }
        }
    } else {
        quote!()
    };
    Ok(quote! {
        impl ::corten_component::Arguments for #name {
            fn schema() -> &'static ::corten_component::Schema {
                static SCHEMA: ::corten_component::Schema = ::corten_component::Schema {
                    doc: #struct_doc,
                    fields: &[#(#rows),*],
                    default: || ::std::boxed::Box::new(<#name as ::std::default::Default>::default()),
                    check: |target| match target.downcast_ref::<#name>() {
                        Some(target) => ::corten_component::Arguments::check(target),
                        None => Ok(()),
                    },
                };
                &SCHEMA
            }
            #check
        }
    })
}
