//! Rewrites the generator's output before it is formatted:
//!
//! * `ResponseValue::from_response` is replaced by `crate::decode`. Its error for a body that is not the expected JSON
//!   has neither status nor headers.
//! * Fields of responses are deserialized by `crate::lenient`, which accepts a string for a number and the reverse.
//! * The module of types becomes its own file, so that the crate can be compiled without the client.

use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};

use super::GenerateError;

/// Returns the generated files by name.
pub(super) fn split(mut file: syn::File) -> Result<[(&'static str, syn::File); 2], GenerateError> {
    let mut decode = UseDecode { replaced: 0 };
    decode.visit_file_mut(&mut file);
    if decode.replaced == 0 {
        return Err(GenerateError::Rewrite(
            "it does not call ResponseValue::from_response".into(),
        ));
    }
    let mut types = take_types(&mut file)?;
    let mut lenient = ReadLeniently { fields: 0 };
    lenient.visit_file_mut(&mut types);
    if lenient.fields == 0 {
        return Err(GenerateError::Rewrite(
            "it has no field of a response".into(),
        ));
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
            let reader = match without_whitespace(&field.ty).as_str() {
                "::std::option::Option<::std::string::String>" => "crate::lenient::text",
                "::std::option::Option<bool>" => "crate::lenient::truth",
                "::std::option::Option<i32>" | "::std::option::Option<i64>" => {
                    "crate::lenient::integer"
                }
                "::std::option::Option<ExpireTime>" => "crate::lenient::expiry",
                _ => continue,
            };
            // With `deserialize_with`, a missing field is an error unless it has a default.
            field
                .attrs
                .push(syn::parse_quote!(#[serde(default, deserialize_with = #reader)]));
            self.fields += 1;
        }
    }
}

fn derives(item: &syn::ItemStruct, name: &str) -> bool {
    item.attrs.iter().any(|attribute| {
        attribute.path().is_ident("derive") && without_whitespace(&attribute.meta).contains(name)
    })
}

/// Code without whitespace.
fn without_whitespace(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    text.retain(|character| !character.is_whitespace());
    text
}

/// Moves the items of `pub mod types { … }` out of the file and replaces it by a `use`.
fn take_types(file: &mut syn::File) -> Result<syn::File, GenerateError> {
    let missing = || GenerateError::Rewrite("it has no module `types`".into());
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
