//! The modules of a crate, with their imports and references.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Item, UseTree};

/// Maximum number of re-exports that are followed for one name.
const MAX_REEXPORTS: usize = 8;

/// The first module is the root.
#[derive(Default)]
pub(super) struct Crate {
    pub(super) modules: Vec<Module>,
}

#[derive(Default)]
pub(super) struct Module {
    name: String,
    pub(super) file: PathBuf,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    imports: BTreeMap<String, Vec<String>>,
    /// Paths in the code, with their lines.
    pub(super) references: Vec<(Vec<String>, usize)>,
}

impl Crate {
    /// Parses a crate from its root file.
    pub(super) fn parse(root: &Path) -> Result<Self, String> {
        let mut parsed = Self::default();
        parsed.add_file("crate", root, root.parent().unwrap_or(root), None)?;
        Ok(parsed)
    }

    /// `folder` contains the files of submodules.
    fn add_file(
        &mut self,
        name: &str,
        file: &Path,
        folder: &Path,
        parent: Option<usize>,
    ) -> Result<usize, String> {
        let failed = |error: String| format!("can't parse {}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        let parsed = syn::parse_file(&text).map_err(|error| failed(error.to_string()))?;
        self.add_items(name, file, folder, parent, &parsed.items)
    }

    fn add_items(
        &mut self,
        name: &str,
        file: &Path,
        folder: &Path,
        parent: Option<usize>,
        items: &[Item],
    ) -> Result<usize, String> {
        let mut module = Module {
            name: name.to_owned(),
            file: file.to_owned(),
            parent,
            ..Module::default()
        };
        for item in items {
            module.visit_item(item);
        }
        let index = self.modules.len();
        self.modules.push(module);
        for item in items {
            let Item::Mod(child) = item else { continue };
            if is_ignored(&child.attrs) {
                continue;
            }
            let name = child.ident.to_string();
            let inside = folder.join(&name);
            let added = if let Some((_, items)) = &child.content {
                self.add_items(&name, file, &inside, Some(index), items)?
            } else {
                let beside = folder.join(format!("{name}.rs"));
                let file = Some(beside).filter(|beside| beside.exists());
                let file = file.unwrap_or_else(|| inside.join("mod.rs"));
                self.add_file(&name, &file, &inside, Some(index))?
            };
            self.modules[index].children.insert(name, added);
        }
        Ok(index)
    }

    /// The path of a module, without `crate`.
    pub(super) fn name(&self, module: usize) -> String {
        let names = self.ancestors(module).into_iter().skip(1);
        let names: Vec<&str> = names.map(|at| self.modules[at].name.as_str()).collect();
        names.join("::")
    }

    /// The root, …, the parent, the module itself.
    pub(super) fn ancestors(&self, module: usize) -> Vec<usize> {
        let parents = std::iter::successors(Some(module), |at| self.modules[*at].parent);
        let mut ancestors: Vec<usize> = parents.collect();
        ancestors.reverse();
        ancestors
    }

    /// The module that defines what a path names. `None` for an item of another crate.
    pub(super) fn resolve(&self, from: usize, path: &[String]) -> Option<usize> {
        self.resolve_within(from, path, MAX_REEXPORTS)
    }

    fn resolve_within(&self, from: usize, path: &[String], limit: usize) -> Option<usize> {
        let (limit, first) = (limit.checked_sub(1)?, path.first()?);
        let own = &self.modules[from];
        let (mut at, mut rest) = match first.as_str() {
            "crate" => (0, &path[1..]),
            "self" => (from, &path[1..]),
            "super" => (own.parent?, &path[1..]),
            _ if own.children.contains_key(first) || own.imports.contains_key(first) => {
                (from, path)
            }
            _ => return None,
        };
        while let Some((name, following)) = rest.split_first() {
            let module = &self.modules[at];
            if name == "super" {
                at = module.parent?;
            } else if let Some(child) = module.children.get(name) {
                at = *child;
            } else if let Some(import) = module.imports.get(name) {
                let path = [import, following].concat();
                return self.resolve_within(at, &path, limit).or(Some(at));
            } else {
                break;
            }
            rest = following;
        }
        Some(at)
    }
}

/// Whether something is compiled only for tests or documentation.
fn is_ignored(attributes: &[Attribute]) -> bool {
    let conditions = attributes.iter().filter_map(|attribute| {
        let list = attribute.meta.require_list().ok()?;
        list.path.is_ident("cfg").then(|| list.tokens.to_string())
    });
    let mut conditions = conditions.map(|condition| condition.replace(' ', ""));
    conditions.any(|condition| {
        matches!(condition.as_str(), "test" | "doc") || condition.starts_with("all(test,")
    })
}

impl Module {
    fn add_use(&mut self, tree: &UseTree, mut path: Vec<String>) {
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.add_use(&tree.tree, path);
            }
            UseTree::Group(group) => {
                let trees = group.items.iter();
                trees.for_each(|tree| self.add_use(tree, path.clone()));
            }
            UseTree::Name(name) => self.add_import(&name.ident, &name.ident, path),
            UseTree::Rename(rename) => self.add_import(&rename.ident, &rename.rename, path),
            // Names from `*` are not resolved. Only tests use it.
            UseTree::Glob(glob) => self.add_reference(path, glob),
        }
    }

    fn add_import(&mut self, item: &Ident, name: &Ident, mut path: Vec<String>) {
        // `use a::{self}` imports `a`.
        if item != "self" {
            path.push(item.to_string());
        }
        let own = path.last().filter(|_| name == "self").cloned();
        let name = own.unwrap_or_else(|| name.to_string());
        self.imports.insert(name, path.clone());
        self.add_reference(path, item);
    }

    fn add_reference(&mut self, path: Vec<String>, place: &impl Spanned) {
        self.references.push((path, place.span().start().line));
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Const(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Mod(_) => return,
            _ => &Vec::new(),
        };
        match item {
            _ if is_ignored(attributes) => {}
            Item::Use(item) => self.add_use(&item.tree, Vec::new()),
            item => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_ignored(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        let segments = segments.map(|segment| segment.ident.to_string());
        self.add_reference(segments.collect(), path);
        visit::visit_path(self, path);
    }

    /// Adds every path in the tokens, which are not parsed.
    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        let text = without_literals(invocation.tokens.clone()).replace(" :: ", "::");
        let words = text.split(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter));
        for path in words.filter(|word| word.contains("::")) {
            let segments = path.split("::").filter(|segment| !segment.is_empty());
            self.add_reference(segments.map(str::to_owned).collect(), invocation);
        }
        self.visit_path(&invocation.path);
    }
}

/// The text of tokens without literals, since a doc comment in a macro is a literal that may contain links to other modules.
fn without_literals(tokens: TokenStream) -> String {
    let texts = tokens.into_iter().map(|token| match token {
        TokenTree::Literal(_) => String::new(),
        TokenTree::Group(group) => format!("({})", without_literals(group.stream())),
        TokenTree::Ident(name) => format!(" {name} "),
        TokenTree::Punct(punctuation) => punctuation.to_string(),
    });
    texts.collect()
}
