//! Answers are read leniently: a newer or a sloppier service does not break a deployed client. And what may not be
//! shown is not shown.

use agbcloud_api::types;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Null for every field that the type has, and for one that it has not.
fn all_null<T: JsonSchema>() -> Value {
    let schema = schemars::schema_for!(T).to_value();
    let fields = schema["properties"].as_object().unwrap();
    assert!(!fields.is_empty());
    let names = fields.keys().map(String::as_str).chain(["neverSeenBefore"]);
    Value::Object(names.map(|name| (name.to_owned(), Value::Null)).collect())
}

/// Reads what must be readable, and gives what was understood.
#[track_caller]
fn read<T: DeserializeOwned + Serialize>(json: Value) -> Value {
    let text = json.to_string();
    let value: T = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{}: {error}: {text}", std::any::type_name::<T>()));
    serde_json::to_value(value).unwrap()
}

#[track_caller]
fn reads_nothing<T: DeserializeOwned + Serialize + JsonSchema>() {
    assert_eq!(read::<T>(json!({})), json!({}));
    assert_eq!(read::<T>(all_null::<T>()), json!({}));
    assert_eq!(read::<T>(json!({"neverSeenBefore": {"a": [1]}})), json!({}));
}

#[test]
fn every_field_of_every_answer_can_be_missing_null_or_unknown() {
    reads_nothing::<types::ClearContextResponse>();
    reads_nothing::<types::Context>();
    reads_nothing::<types::ContextListObject>();
    reads_nothing::<types::DeleteContextFileResponse>();
    reads_nothing::<types::DeleteContextResponse>();
    reads_nothing::<types::DescribeContextFilesResponse>();
    reads_nothing::<types::Failure>();
    reads_nothing::<types::FileEntry>();
    reads_nothing::<types::FileListObject>();
    reads_nothing::<types::FileUrl>();
    reads_nothing::<types::GetContextFileDownloadUrlResponse>();
    reads_nothing::<types::GetContextFileUploadUrlResponse>();
    reads_nothing::<types::GetContextResponse>();
    reads_nothing::<types::ListContextsResponse>();
    reads_nothing::<types::ModifyContextResponse>();
}

#[test]
fn unknown_fields_are_ignored_at_any_depth() {
    let context = json!({"id": "c1", "later": {"more": []}});
    let read = read::<types::ListContextsResponse>(json!({"data": [context], "later": 1}));
    assert_eq!(read, json!({"data": [{"id": "c1"}]}));
}

#[test]
fn a_state_that_nobody_knows_yet_is_read() {
    let read = read::<types::Context>(json!({"state": "hibernating"}));
    assert_eq!(read["state"], "hibernating");
}

#[test]
fn data_that_holds_nothing_may_hold_anything() {
    for data in [json!(true), json!([1]), json!({"a": 1})] {
        let read = read::<types::DeleteContextResponse>(json!({"data": data}));
        assert_eq!(read["data"], data);
    }
}

#[test]
fn a_page_may_be_an_object_with_its_fields_inside() {
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
fn the_end_of_a_url_is_a_number_or_digits() {
    for end in [json!(3600), json!("3600")] {
        let read = read::<types::FileUrl>(json!({"expireTime": end}));
        assert_eq!(read["expireTime"], end);
    }
}

#[test]
fn a_presigned_url_shows_no_signature() {
    let url = "https://store.example/b/k?Expires=1&Signature=s3cr3t";
    let answer = json!({"data": {"url": url}});
    let answer: types::GetContextFileUploadUrlResponse = serde_json::from_value(answer).unwrap();
    let shown = format!("{answer:?} {answer:#?}");
    assert!(shown.contains("https://store.example/b/k?…"), "{shown}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
    let kept = answer.data.unwrap().url.unwrap();
    assert_eq!(kept.as_str(), url);
}
