//! Responses are deserialized leniently, so that a newer or less strict service does not break a deployed client, and secrets
//! are not shown.

use agbcloud_api::types;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// An object with null for every field of the type, and for an unknown one.
fn all_null<T: JsonSchema>() -> Value {
    let schema = schemars::schema_for!(T).to_value();
    let fields = schema["properties"].as_object().unwrap();
    assert!(!fields.is_empty());
    let names = fields.keys().map(String::as_str).chain(["neverSeenBefore"]);
    Value::Object(names.map(|name| (name.to_owned(), Value::Null)).collect())
}

/// Deserializes valid JSON, and serializes it again.
#[track_caller]
fn read<T: DeserializeOwned + Serialize>(json: Value) -> Value {
    let text = json.to_string();
    let value: T = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{}: {error}: {text}", std::any::type_name::<T>()));
    serde_json::to_value(value).unwrap()
}

#[track_caller]
fn reads_as_empty<T: DeserializeOwned + Serialize + JsonSchema>() {
    assert_eq!(read::<T>(json!({})), json!({}));
    assert_eq!(read::<T>(all_null::<T>()), json!({}));
    assert_eq!(read::<T>(json!({"neverSeenBefore": {"a": [1]}})), json!({}));
}

#[test]
fn every_field_can_be_missing_null_or_unknown() {
    reads_as_empty::<types::ClearContextResponse>();
    reads_as_empty::<types::Context>();
    reads_as_empty::<types::ContextListObject>();
    reads_as_empty::<types::DeleteContextFileResponse>();
    reads_as_empty::<types::DeleteContextResponse>();
    reads_as_empty::<types::DescribeContextFilesResponse>();
    reads_as_empty::<types::Failure>();
    reads_as_empty::<types::FileEntry>();
    reads_as_empty::<types::FileListObject>();
    reads_as_empty::<types::FileUrl>();
    reads_as_empty::<types::GetContextFileDownloadUrlResponse>();
    reads_as_empty::<types::GetContextFileUploadUrlResponse>();
    reads_as_empty::<types::GetContextResponse>();
    reads_as_empty::<types::ListContextsResponse>();
    reads_as_empty::<types::ModifyContextResponse>();
}

#[test]
fn unknown_fields_are_ignored_at_any_depth() {
    let context = json!({"id": "c1", "later": {"more": []}});
    let read = read::<types::ListContextsResponse>(json!({"data": [context], "later": 1}));
    assert_eq!(read, json!({"data": [{"id": "c1"}]}));
}

#[test]
fn an_unknown_state_is_accepted() {
    let read = read::<types::Context>(json!({"state": "hibernating"}));
    assert_eq!(read["state"], "hibernating");
}

#[test]
fn unused_data_can_be_anything() {
    for data in [json!(true), json!([1]), json!({"a": 1})] {
        let read = read::<types::DeleteContextResponse>(json!({"data": data}));
        assert_eq!(read["data"], data);
    }
}

#[test]
fn a_page_can_be_an_object_with_pagination_fields() {
    let contexts = json!({"data": {
        "items": [{"id": "c1"}], "nextToken": "t", "maxResults": 10, "totalCount": 31
    }});
    assert_eq!(
        read::<types::ListContextsResponse>(contexts.clone()),
        contexts
    );
    let files = json!({"data": {"items": [{"fileName": "a"}], "count": 1}});
    assert_eq!(
        read::<types::DescribeContextFilesResponse>(files.clone()),
        files
    );
}

#[test]
fn an_expiry_is_a_number_or_digits() {
    for end in [json!(3600), json!("3600")] {
        let read = read::<types::FileUrl>(json!({"expireTime": end}));
        assert_eq!(read["expireTime"], end);
    }
}

#[test]
fn a_presigned_url_shows_no_signature() {
    let url = "https://store.example/b/k?Expires=1&Signature=s3cr3t";
    let envelope = json!({"data": {"url": url}});
    let envelope: types::GetContextFileUploadUrlResponse =
        serde_json::from_value(envelope).unwrap();
    let shown = format!("{envelope:?} {envelope:#?}");
    assert!(shown.contains("https://store.example/b/k?…"), "{shown}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
    let parsed = envelope.data.unwrap().url.unwrap();
    assert_eq!(parsed.as_str(), url);
}
