//! What is changed in the generator's output before it is formatted.
//!
//! * `ResponseValue::from_response` reads a good answer's body and, where that is not the JSON that was
//!   expected, gives an error that has lost the status and the headers. It is replaced by `crate::decode`,
//!   which keeps them.
//! * The module of types becomes a file of its own, so that the crate without its client is types alone.

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
    let types = take_types(&mut file)?;
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
