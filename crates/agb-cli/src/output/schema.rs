//! `agb schema`: the JSON Schema of the output.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::records::{
    ActionResult, ChangeRow, CheckRow, ContextRow, EntryRow, TransferSummary, UrlRow, UsageRow,
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
    add(&["context get", "context create"], false, context);
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
        "sync --watch",
        "sync --dry-run",
        "put --dry-run",
        "get --dry-run",
        "cp --dry-run",
        "mv --dry-run",
    ];
    add(&previews, true, change);
    let snapshot = subschema::<SnapshotSummary>(&mut generator);
    add(&["context snapshot", "context restore"], false, snapshot);
    let transfer = subschema::<TransferRow>(&mut generator);
    add(&["transfers list", "transfers clean"], true, transfer);
    let url = subschema::<UrlRow>(&mut generator);
    add(&["url get"], true, url.clone());
    add(&["url put"], false, url);
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
