//! `agb schema`: the JSON Schema of the output.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    records::{
        ActionResult, ChangeRow, ContextRow, EditResult, EntryRow, OpenResult, TransferSummary,
        UrlRow, UsageRow,
    },
    setting_records::{CheckRow, LoginResult, PathRow, ProfileRow, SettingRow},
};
use super::{snapshot_summary::SnapshotSummary, transfer_row::TransferRow};

/// Increases when a field is removed or changes its meaning. New fields do not increase it.
const VERSION: u32 = 1;

/// The schema of each command, and whether the command prints one document or one for each item.
pub(crate) fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut commands = Map::new();
    let mut add = |names: &[&str], lines: bool, schema: Value| {
        for name in names {
            let entry = json!({"lines": lines, "schema": schema});
            commands.insert((*name).to_owned(), entry);
        }
    };
    let context = subschema::<ContextRow>(&mut generator);
    add(&["context list"], true, context.clone());
    add(&["context get", "context create", "new"], false, context);
    let result = subschema::<ActionResult>(&mut generator);
    let actions = ["context rename", "context clear", "context wait"];
    add(&actions, false, result.clone());
    add(&["context delete", "rm"], true, result);
    let entry = subschema::<EntryRow>(&mut generator);
    add(&["ls", "tree", "find", "stat"], true, entry);
    add(&["du"], true, subschema::<UsageRow>(&mut generator));
    let summary = subschema::<TransferSummary>(&mut generator);
    add(&["get", "put", "cp", "mv", "sync"], false, summary);
    let change = subschema::<ChangeRow>(&mut generator);
    let previews = [
        "diff",
        "context copy --dry-run",
        "sync --watch",
        "sync --dry-run",
        "put --dry-run",
        "get --dry-run",
        "cp --dry-run",
        "mv --dry-run",
        "rm --dry-run",
    ];
    add(&previews, true, change);
    let snapshot = subschema::<SnapshotSummary>(&mut generator);
    let snapshots = ["context snapshot", "context restore", "context copy"];
    add(&snapshots, false, snapshot);
    let transfer = subschema::<TransferRow>(&mut generator);
    add(&["transfers list", "transfers clean"], true, transfer);
    let url = subschema::<UrlRow>(&mut generator);
    add(&["url get"], true, url.clone());
    add(&["url put"], false, url);
    add(&["edit"], false, subschema::<EditResult>(&mut generator));
    add(&["open"], false, subschema::<OpenResult>(&mut generator));
    let setting = subschema::<SettingRow>(&mut generator);
    add(&["config list"], true, setting.clone());
    add(
        &["config get", "config set", "config unset"],
        false,
        setting,
    );
    let profile = subschema::<ProfileRow>(&mut generator);
    add(&["config profiles"], true, profile);
    add(
        &["config path"],
        false,
        subschema::<PathRow>(&mut generator),
    );
    let login = subschema::<LoginResult>(&mut generator);
    add(&["login", "logout"], false, login);
    #[cfg(feature = "serve")]
    {
        let copies = ["serve backup", "serve restore", "serve migrate"];
        add(&copies, false, copy_schema());
        add(&["serve fsck"], false, fsck_schema());
    }
    #[cfg(feature = "serve")]
    add(
        &["serve keys list"],
        true,
        subschema::<super::setting_records::KeyRow>(&mut generator),
    );
    add(&["doctor"], true, subschema::<CheckRow>(&mut generator));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Output of agb --json",
        "version": VERSION,
        "commands": commands,
        "$defs": generator.take_definitions(true),
    })
}

fn subschema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// The report of a copy of a store. The service has no schemas of its own.
#[cfg(feature = "serve")]
fn copy_schema() -> Value {
    let mut schema = object(&[
        ("dry_run", "boolean"),
        ("keys", "integer"),
        ("contexts", "integer"),
        ("folders", "integer"),
        ("files", "integer"),
        ("bytes", "integer"),
        ("skipped_files", "integer"),
        ("findings", "array"),
    ]);
    schema["properties"]["key_file"] = json!({"type": ["string", "null"]});
    schema["properties"]["findings"]["items"] = finding_schema();
    schema
}

/// The report of a check of a store.
#[cfg(feature = "serve")]
fn fsck_schema() -> Value {
    let mut schema = object(&[
        ("contexts", "integer"),
        ("files", "integer"),
        ("bytes", "integer"),
        ("findings", "array"),
        ("quarantine", "array"),
    ]);
    schema["properties"]["findings"]["items"] = finding_schema();
    let content = [
        ("name", "string"),
        ("bytes", "integer"),
        ("since", "string"),
    ];
    schema["properties"]["quarantine"]["items"] = object(&content);
    schema
}

#[cfg(feature = "serve")]
fn finding_schema() -> Value {
    let mut schema = object(&[
        ("kind", "string"),
        ("detail", "string"),
        ("repaired", "boolean"),
    ]);
    for field in ["context", "path"] {
        schema["properties"][field] = json!({"type": ["string", "null"]});
    }
    schema
}

/// An object with these required properties, by name and type.
#[cfg(feature = "serve")]
fn object(properties: &[(&str, &str)]) -> Value {
    let types = properties.iter().map(|(name, of)| {
        let of = json!({"type": of});
        ((*name).to_owned(), of)
    });
    let required: Vec<_> = properties.iter().map(|(name, _)| *name).collect();
    json!({
        "type": "object",
        "required": required,
        "properties": types.collect::<Map<_, _>>(),
    })
}
