//! `#[derive(Exports)]`: fields as an object of values.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Result};

use crate::attributes::{Options, doc, named_fields};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let mut fields = Vec::new();
    let mut values = Vec::new();
    for field in named_fields(input)? {
        let Some(ident) = &field.ident else { continue };
        let ty = &field.ty;
        let options = Options::read(&field.attrs, "export", &["name"])?;
        let field_name = options.name.unwrap_or_else(|| ident.to_string());
        let field_doc = doc(&field.attrs);
        fields.push(quote! {
            ::corten_component::ExportField {
                name: #field_name,
                doc: #field_doc,
                type_name: <#ty as ::corten_component::Attribute>::type_name,
            }
        });
        values.push(quote! {
            object.insert(#field_name.into(), ::corten_component::Attribute::to_value(&self.#ident));
        });
    }
    Ok(quote! {
        impl ::corten_component::Exports for #name {
            fn fields() -> &'static [::corten_component::ExportField] {
                static FIELDS: &[::corten_component::ExportField] = &[#(#fields),*];
                FIELDS
            }
            fn to_object(&self) -> ::corten_component::private::Object {
                let mut object = ::corten_component::private::Object::new();
                #(#values)*
                object
            }
        }
    })
}
