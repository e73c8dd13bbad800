//! What is changed in the generator's output before it is formatted.
//!
//! * `ResponseValue::from_response` reads a good answer's body and, where that is not the JSON that was
//!   expected, gives an error that has lost the status and the headers. It is replaced by `crate::decode`,
//!   which keeps them.
//! * The fields of answers are read by `crate::lenient`: a number may be written as a text, and a text as a number.
//! * The module of types becomes a file of its own, so that the crate without its client is types alone.

use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};

use super::GenerateError;

/// The files of the generated crate, by name.
pub(super) fn split(mut file: syn::File) -> Result<[(&'static str, syn::File); 2], GenerateError> {
    let mut decode = UseDecode { replaced: 0 };
    decode.visit_file_mut(&mut file);
    if decode.replaced == 0 {
        return Err(GenerateError::Rewrite(
            "no call of ResponseValue::from_response".into(),
        ));
    }
    let mut types = take_types(&mut file)?;
    let mut lenient = ReadLeniently { fields: 0 };
    lenient.visit_file_mut(&mut types);
    if lenient.fields == 0 {
        return Err(GenerateError::Rewrite("no field of an answer".into()));
    }
    Ok([("types.rs", types), ("client.rs", file)])
}

struct UseDecode {
    replaced: usize,
}

impl VisitMut for UseDecode {
    fn visit_expr_path_mut(&mut self, path: &mut syn::ExprPath) {
        let segments: Vec<String> = path
            .path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if segments.ends_with(&["ResponseValue".into(), "from_response".into()]) {
            *path = syn::parse_quote!(crate::decode::decode);
            self.replaced += 1;
        }
        visit_mut::visit_expr_path_mut(self, path);
    }
}

struct ReadLeniently {
    fields: usize,
}

impl VisitMut for ReadLeniently {
    fn visit_item_struct_mut(&mut self, item: &mut syn::ItemStruct) {
        if !derives(item, "Deserialize") {
            return;
        }
        for field in &mut item.fields {
            let reader = match plain(&field.ty).as_str() {
                "::std::option::Option<::std::string::String>" => "crate::lenient::text",
                "::std::option::Option<bool>" => "crate::lenient::truth",
                "::std::option::Option<i32>" | "::std::option::Option<i64>" => {
                    "crate::lenient::integer"
                }
                "::std::option::Option<ExpireTime>" => "crate::lenient::expiry",
                _ => continue,
            };
            // With a reader of its own, a field that is not there is an error otherwise.
            field
                .attrs
                .push(syn::parse_quote!(#[serde(default, deserialize_with = #reader)]));
            self.fields += 1;
        }
    }
}

fn derives(item: &syn::ItemStruct, name: &str) -> bool {
    item.attrs.iter().any(|attribute| {
        attribute.path().is_ident("derive") && plain(&attribute.meta).contains(name)
    })
}

/// A piece of code without its spaces.
fn plain(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    text.retain(|character| !character.is_whitespace());
    text
}

/// Moves the body of `pub mod types { … }` out of the file and leaves a `use` of it behind.
fn take_types(file: &mut syn::File) -> Result<syn::File, GenerateError> {
    let missing = || GenerateError::Rewrite("no module `types`".into());
    let is_types =
        |item: &syn::Item| matches!(item, syn::Item::Mod(module) if module.ident == "types");
    let index = file.items.iter().position(is_types).ok_or_else(missing)?;
    let replacement = syn::parse_quote!(
        use super::types;
    );
    let syn::Item::Mod(module) = std::mem::replace(&mut file.items[index], replacement) else {
        return Err(missing());
    };
    let (_, items) = module.content.ok_or_else(missing)?;
    Ok(syn::File {
        shebang: None,
        frontmatter: None,
        attrs: Vec::new(),
        items,
    })
}
