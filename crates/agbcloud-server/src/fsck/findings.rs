//! The wording of findings.

use super::report::{Finding, FindingKind as Kind};
use crate::metadata::check::{Problem, ProblemKind, WrongCount, WrongUsage};

impl From<Problem> for Finding {
    fn from(problem: Problem) -> Self {
        let (kind, detail) = describe(problem.kind);
        Self {
            kind,
            context: problem.context,
            path: problem.path,
            detail,
            repaired: problem.repaired,
        }
    }
}

fn describe(problem: ProblemKind) -> (Kind, String) {
    use ProblemKind::*;
    let count = |what: &str, entries: &str, count: WrongCount| {
        let WrongCount { stored, found } = count;
        format!("{what} has {found} {entries}, but its stored count is {stored}")
    };
    let usage = |what: &str, usage: &WrongUsage| {
        let WrongUsage { stored, found } = usage;
        format!(
            "{what} {} files of {} bytes, but the stored counts are {} and {}",
            found.files, found.bytes, stored.files, stored.bytes
        )
    };
    match problem {
        Integrity(detail) | Unreadable(detail) => (Kind::Database, detail),
        SchemaObject(name) => (
            Kind::Database,
            format!("{name:?} is missing or differs from the schema"),
        ),
        ForeignKey(table) => (
            Kind::Database,
            format!("a row of the table {table:?} references a missing row"),
        ),
        StoreMismatch(mismatch) => (Kind::StoreMismatch, mismatch.to_string()),
        UnreferencedTrees(trees) => (
            Kind::LostTree,
            format!("{trees} trees of files belong to no context"),
        ),
        MissingTree => (
            Kind::LostTree,
            "the tree of files of the context is missing".into(),
        ),
        InvalidParent(entries) => (
            Kind::LostTree,
            format!("not a valid path of a folder, but it has {entries} entries"),
        ),
        InvalidPath => (Kind::LostTree, "not a valid path of a file".into()),
        ContextCount(wrong) => (
            Kind::WrongContextCount,
            count("a tenant", "contexts", wrong),
        ),
        ContextUsage(wrong) => (Kind::WrongFileCount, usage("the context has", &wrong)),
        TenantUsage(wrong) => (Kind::WrongUsage, usage("a tenant has", &wrong)),
        TotalUsage(wrong) => (Kind::WrongUsage, usage("all tenants have", &wrong)),
        ChildCount(wrong) => (Kind::WrongChildCount, count("the folder", "entries", wrong)),
        MissingContent => (
            Kind::MissingContent,
            "the content of the file is missing".into(),
        ),
        MissingFolder => (
            Kind::MissingFolder,
            "the row of the folder is missing".into(),
        ),
        EmptyFolder => (Kind::EmptyFolder, "the folder has no entries".into()),
        OffsetIndex => (
            Kind::WrongPages,
            "the page index of the folder is wrong".into(),
        ),
        SharedContent(files) => (
            Kind::SharedContent,
            format!("{files} files reference the same content"),
        ),
        DoomedContent => (
            Kind::DoomedContent,
            "the content of the file is queued for deletion".into(),
        ),
        BlockChecksums => (
            Kind::WrongBlockChecksums,
            "the checksums of the blocks do not belong to the content of the file".into(),
        ),
        OrphanContent(bytes) => (
            Kind::OrphanContent,
            format!("no file references a content of {bytes} bytes in the database"),
        ),
        MetaChecksum(name) => (
            Kind::DamagedRow,
            format!("the row {name:?} of the table \"meta\" does not match its checksum"),
        ),
        EntryChecksum => (
            Kind::DamagedRow,
            "the row does not match its checksum".into(),
        ),
        ContextChecksum => (
            Kind::DamagedRow,
            "the row of the context does not match its checksum".into(),
        ),
        RowChecksums(table, rows) => (
            Kind::DamagedRow,
            format!("{rows} rows of the table {table:?} do not match their checksums"),
        ),
        RowNumbering => (Kind::DamagedRow, "the next row ids are invalid".into()),
    }
}
