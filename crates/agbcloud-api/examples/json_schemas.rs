//! Prints the JSON schemas of all types of responses, as one JSON object by name:
//! `cargo run -p agbcloud-api --no-default-features --example json_schemas`.
//!
//! `cargo xtask check` compares the output with the specification, so it detects a missing type.

use agbcloud_api::{SignedUrl, types};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::{Map, Value};

fn main() -> Result<(), serde_json::Error> {
    let schemas = Value::Object(schemas());
    println!("{}", serde_json::to_string_pretty(&schemas)?);
    Ok(())
}

fn schemas() -> Map<String, Value> {
    let schemas: [(&str, Schema); 19] = [
        ("ClearContextResponse", of::<types::ClearContextResponse>()),
        ("Context", of::<types::Context>()),
        ("ContextListData", of::<types::ContextListData>()),
        ("ContextListObject", of::<types::ContextListObject>()),
        (
            "DeleteContextFileResponse",
            of::<types::DeleteContextFileResponse>(),
        ),
        (
            "DeleteContextResponse",
            of::<types::DeleteContextResponse>(),
        ),
        (
            "DescribeContextFilesResponse",
            of::<types::DescribeContextFilesResponse>(),
        ),
        ("ExpireTime", of::<types::ExpireTime>()),
        ("Failure", of::<types::Failure>()),
        ("FileEntry", of::<types::FileEntry>()),
        ("FileListData", of::<types::FileListData>()),
        ("FileListObject", of::<types::FileListObject>()),
        ("FileUrl", of::<types::FileUrl>()),
        (
            "GetContextFileDownloadUrlResponse",
            of::<types::GetContextFileDownloadUrlResponse>(),
        ),
        (
            "GetContextFileUploadUrlResponse",
            of::<types::GetContextFileUploadUrlResponse>(),
        ),
        ("GetContextResponse", of::<types::GetContextResponse>()),
        ("ListContextsResponse", of::<types::ListContextsResponse>()),
        (
            "ModifyContextResponse",
            of::<types::ModifyContextResponse>(),
        ),
        ("SignedUrl", of::<SignedUrl>()),
    ];
    schemas
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema.to_value()))
        .collect()
}

/// The schema of one type, with the types that it refers to in its `$defs`.
fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>()
}
