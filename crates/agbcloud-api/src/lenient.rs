//! Lenient deserialization of response fields: services send ids, times and counts as strings or as numbers.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use crate::types::ExpireTime;

/// A string, which can be sent as a number or a boolean.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(boolean) => Ok(Some(boolean.to_string())),
        other => Err(unexpected("a string", &other)),
    }
}

/// An integer, which can be sent as a string or with a zero fraction. The empty string is `None`.
pub(crate) fn integer<'de, D, N>(deserializer: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<i64>,
{
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        _ => None,
    };
    let fits = number.and_then(|number| N::try_from(number).ok());
    fits.map(Some)
        .ok_or_else(|| unexpected("an integer", &value))
}

/// A boolean, which can be sent as a string or as 0 or 1.
pub(crate) fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let boolean = match &value {
        Value::Null => return Ok(None),
        Value::Bool(boolean) => Some(*boolean),
        Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        _ => None,
    };
    boolean
        .map(Some)
        .ok_or_else(|| unexpected("a boolean", &value))
}

/// The expiry of a URL: a string, or a number whose fraction is ignored.
pub(crate) fn expiry<'de, D>(deserializer: D) -> Result<Option<ExpireTime>, D::Error>
where
    D: Deserializer<'de>,
{
    let value = Value::deserialize(deserializer)?;
    match &value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(ExpireTime::Text(text.clone()))),
        Value::Number(number) => {
            let rounded = || whole(number.as_f64()?.trunc());
            let number = number.as_i64().or_else(rounded);
            let number = number.ok_or_else(|| unexpected("a time", &value))?;
            Ok(Some(ExpireTime::Integer(number)))
        }
        _ => Err(unexpected("a time", &value)),
    }
}

/// A number without a fraction that is small enough to be exact.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "has no fraction and fits in an i64"
    )]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// Names the type of the value rather than the value, which could be a URL with a signature.
fn unexpected<E: Error>(expected: &str, value: &Value) -> E {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    E::custom(format!("expected {expected}, found {found}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::types::{Context, DescribeContextFilesResponse, FileListData, FileUrl};

    #[test]
    fn fields_are_converted_to_their_types() {
        let body = json!({
            "success": "true", "httpStatusCode": "200", "count": "2", "requestId": 7, "code": 0,
            "data": [
                {"filePath": "/a", "size": "12", "gmtCreate": 1_767_225_600_000_i64},
                {"filePath": "/b", "size": 1.0, "fileName": null},
            ],
        });
        let read: DescribeContextFilesResponse = serde_json::from_value(body).unwrap();
        assert_eq!(
            (read.success, read.http_status_code),
            (Some(true), Some(200))
        );
        assert_eq!(
            (read.count, read.request_id.as_deref()),
            (Some(2), Some("7"))
        );
        let Some(FileListData::Array(files)) = read.data else {
            panic!("the data is an array");
        };
        let sizes: Vec<_> = files.iter().map(|file| file.size).collect();
        assert_eq!(sizes, [Some(12), Some(1)]);
        assert_eq!(files[0].gmt_create.as_deref(), Some("1767225600000"));
    }

    #[test]
    fn the_fraction_of_an_expiry_is_ignored() {
        for (written, read) in [
            (json!(3600), json!(3600)),
            (json!(3600.0), json!(3600)),
            (json!(1_767_225_600.25), json!(1_767_225_600)),
            (json!("3600"), json!("3600")),
        ] {
            let url: FileUrl = serde_json::from_value(json!({"expireTime": written})).unwrap();
            assert_eq!(serde_json::to_value(&url.expire_time).unwrap(), read);
        }
        for odd in [json!([1]), json!(true), json!(1e300)] {
            assert!(serde_json::from_value::<FileUrl>(json!({"expireTime": odd})).is_err());
        }
    }

    #[test]
    fn an_invalid_value_is_rejected_without_showing_it() {
        for body in [json!({"id": {"secret": 1}}), json!({"id": ["secret"]})] {
            let error = serde_json::from_value::<Context>(body).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(error.to_string().contains("expected a string"), "{error}");
        }
        for count in [json!("many"), json!(1.5), json!(1e300), json!([])] {
            let body = json!({"count": count});
            assert!(serde_json::from_value::<DescribeContextFilesResponse>(body).is_err());
        }
        let none: DescribeContextFilesResponse =
            serde_json::from_value(json!({"count": ""})).unwrap();
        assert_eq!(none.count, None);
    }
}
