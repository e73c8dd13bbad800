//! The modules of a crate, with their items, imports and references.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, UseTree};

/// Maximum number of re-exports that are followed for one name.
const MAX_REEXPORTS: usize = 8;

/// Segments of a path in the code.
type Segments = Vec<String>;

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
    items: BTreeSet<String>,
    imports: BTreeMap<String, Segments>,
    globs: Vec<Segments>,
    pub(super) references: Vec<Reference>,
}

/// A path that may name something of another module.
pub(super) struct Reference {
    pub(super) path: Segments,
    pub(super) line: usize,
}

impl Crate {
    /// Parses a crate from its root file.
    pub(super) fn parse(root: &Path) -> Result<Self, String> {
        let mut parsed = Self::default();
        let folder = root.parent().unwrap_or(root);
        parsed.add_file("crate", root, folder, None)?;
        Ok(parsed)
    }

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
        self.add(name, file, folder, parent, &parsed.items)
    }

    /// `folder` has the files of submodules.
    fn add(
        &mut self,
        name: &str,
        file: &Path,
        folder: &Path,
        parent: Option<usize>,
        items: &[Item],
    ) -> Result<usize, String> {
        let index = self.modules.len();
        let mut module = Module {
            name: name.to_owned(),
            file: file.to_owned(),
            parent,
            ..Module::default()
        };
        for item in items {
            module.visit_item(item);
        }
        self.modules.push(module);
        for item in items {
            let Item::Mod(child) = item else { continue };
            if is_ignored(&child.attrs) {
                continue;
            }
            let name = child.ident.to_string();
            let added = match &child.content {
                Some((_, items)) => {
                    self.add(&name, file, &folder.join(&name), Some(index), items)?
                }
                None => {
                    let (file, folder) = locate(child, &name, file, folder);
                    self.add_file(&name, &file, &folder, Some(index))?
                }
            };
            self.modules[index].children.insert(name, added);
        }
        Ok(index)
    }

    /// The path of a module, without `crate`.
    pub(super) fn name(&self, module: usize) -> String {
        let ancestors = self.ancestors(module).into_iter().skip(1);
        let names: Vec<&str> = ancestors
            .map(|index| self.modules[index].name.as_str())
            .collect();
        names.join("::")
    }

    /// The root, …, the parent, the module itself.
    pub(super) fn ancestors(&self, module: usize) -> Vec<usize> {
        let parent = |index: &usize| self.modules[*index].parent;
        let mut ancestors: Vec<usize> = std::iter::successors(Some(module), parent).collect();
        ancestors.reverse();
        ancestors
    }

    /// The module that defines what a path names. `None` for an item of another crate.
    pub(super) fn resolve(&self, from: usize, path: &[String]) -> Option<usize> {
        self.resolve_within(from, path, MAX_REEXPORTS)
    }

    fn resolve_within(&self, from: usize, path: &[String], limit: usize) -> Option<usize> {
        let limit = limit.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.descend(0, rest, limit),
            "self" | "super" => self.descend(from, path, limit),
            name if self.modules[from].declares(name) => self.descend(from, path, limit),
            _ => None,
        }
    }

    /// Follows the rest of a path from a module.
    fn descend(&self, from: usize, path: &[String], limit: usize) -> Option<usize> {
        let Some((name, rest)) = path.split_first() else {
            return Some(from);
        };
        let module = &self.modules[from];
        if name == "self" {
            return self.descend(from, rest, limit);
        }
        if name == "super" {
            return self.descend(module.parent?, rest, limit);
        }
        if let Some(child) = module.children.get(name) {
            return self.descend(*child, rest, limit);
        }
        if let Some(import) = module
            .imports
            .get(name)
            .filter(|_| !module.items.contains(name))
        {
            let path = [import, rest].concat();
            return self.resolve_within(from, &path, limit).or(Some(from));
        }
        let globs = module.globs.iter();
        let mut globs = globs.filter_map(|glob| self.resolve_within(from, glob, limit));
        match globs.find(|glob| *glob != from && self.modules[*glob].declares(name)) {
            Some(glob) if !module.items.contains(name) => self.descend(glob, path, limit),
            _ => Some(from),
        }
    }
}

/// The file of a module that is declared by `mod name;`, and the folder of its submodules.
fn locate(module: &ItemMod, name: &str, parent: &Path, folder: &Path) -> (PathBuf, PathBuf) {
    let attribute = module
        .attrs
        .iter()
        .find(|attribute| attribute.path().is_ident("path"));
    if let Some(attribute) = attribute
        && let syn::Meta::NameValue(meta) = &attribute.meta
        && let syn::Expr::Lit(literal) = &meta.value
        && let syn::Lit::Str(path) = &literal.lit
    {
        let file = parent.with_file_name(path.value());
        let folder = file.parent().unwrap_or(folder).to_owned();
        return (file, folder);
    }
    let (beside, inside) = (folder.join(format!("{name}.rs")), folder.join(name));
    match beside.exists() {
        true => (beside, inside),
        false => (inside.join("mod.rs"), inside),
    }
}

/// Whether something is compiled only for tests or documentation.
fn is_ignored(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        let mut condition = list.tokens.to_string();
        condition.retain(|character| !character.is_whitespace());
        let alone = ["test", "doc", "any(test,doc)", "any(doc,test)"];
        list.path.is_ident("cfg")
            && (alone.contains(&condition.as_str())
                || condition.starts_with("all(test,")
                || condition.starts_with("all(doc,"))
    })
}

impl Module {
    fn declares(&self, name: &str) -> bool {
        self.children.contains_key(name)
            || self.items.contains(name)
            || self.imports.contains_key(name)
    }

    fn add_use(&mut self, tree: &UseTree, mut path: Segments) {
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.add_use(&tree.tree, path);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, path.clone());
                }
            }
            UseTree::Name(name) => self.add_import(&name.ident, &name.ident, path),
            UseTree::Rename(rename) => self.add_import(&rename.ident, &rename.rename, path),
            UseTree::Glob(glob) => {
                self.globs.push(path.clone());
                self.add_reference(path, glob);
            }
        }
    }

    fn add_import(&mut self, item: &syn::Ident, name: &syn::Ident, mut path: Segments) {
        // `use a::{self}` imports `a`.
        let name = match (item == "self", path.last()) {
            (true, Some(last)) if name == "self" => last.clone(),
            _ => name.to_string(),
        };
        if item != "self" {
            path.push(item.to_string());
        }
        self.imports.insert(name, path.clone());
        self.add_reference(path, item);
    }

    fn add_reference(&mut self, path: Segments, place: &impl Spanned) {
        let line = place.span().start().line;
        self.references.push(Reference { path, line });
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast Item) {
        let (name, attributes) = match item {
            Item::Const(item) => (Some(&item.ident), &item.attrs),
            Item::Enum(item) => (Some(&item.ident), &item.attrs),
            Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
            Item::Impl(item) => (None, &item.attrs),
            Item::Macro(item) => (item.ident.as_ref(), &item.attrs),
            Item::Static(item) => (Some(&item.ident), &item.attrs),
            Item::Struct(item) => (Some(&item.ident), &item.attrs),
            Item::Trait(item) => (Some(&item.ident), &item.attrs),
            Item::Type(item) => (Some(&item.ident), &item.attrs),
            Item::Use(item) => (None, &item.attrs),
            _ => return,
        };
        if is_ignored(attributes) {
            return;
        }
        self.items.extend(name.map(ToString::to_string));
        match item {
            Item::Use(item) => self.add_use(&item.tree, Segments::new()),
            item => visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        let segments: Segments = segments.map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.add_reference(segments, path);
        }
        visit::visit_path(self, path);
    }

    /// The tokens of a macro are not parsed: every path in them counts.
    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        let text = invocation.tokens.to_string().replace("::", " :: ");
        let words = text.split(|character: char| {
            !character.is_alphanumeric() && !matches!(character, '_' | ':')
        });
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let mut path = Segments::new();
        for pair in words.windows(2) {
            match pair {
                ["::", name] if !path.is_empty() => path.push((*name).to_owned()),
                [_, "::"] if !path.is_empty() => {}
                [name, "::"] => path.push((*name).to_owned()),
                _ => {
                    let path = std::mem::take(&mut path);
                    if path.len() > 1 {
                        self.add_reference(path, invocation);
                    }
                }
            }
        }
        if path.len() > 1 {
            self.add_reference(path, invocation);
        }
        self.visit_path(&invocation.path);
    }
}
