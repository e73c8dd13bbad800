//! The parameters of a control call: parsed strictly from the query string.

use agbcloud_api::rules::{self, MAX_PAGE_SIZE, PathError};
use percent_encoding::percent_decode_str;

use super::ControlError;
use crate::names::{FilePath, FolderPath};
use crate::operations::Operation;

/// The parameters of one call that its operation accepts. Others are ignored.
#[derive(Debug)]
pub(super) struct Params(Vec<(&'static str, String)>);

impl Params {
    /// Parses a query string. Rejects repeated and incorrectly encoded parameters.
    pub(super) fn parse(operation: &Operation, query: &str) -> Result<Self, ControlError> {
        let mut params: Vec<(&'static str, String)> = Vec::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = decode(name) else { continue };
            let Some(name) = operation.parameters.iter().find(|known| **known == name) else {
                continue;
            };
            if params.iter().any(|(seen, _)| seen == name) {
                return Err(ControlError::invalid(
                    name,
                    "it is there twice: give it once",
                ));
            }
            let value = decode(value).ok_or_else(|| {
                ControlError::invalid(
                    name,
                    "its percent-encoding is broken: encode its UTF-8 bytes",
                )
            })?;
            params.push((name, value));
        }
        Ok(Self(params))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns an optional id.
    pub(super) fn optional_id(&self, name: &str) -> Result<Option<&str>, ControlError> {
        match self.get(name) {
            Some(id) if rules::check_id(id).is_err() => Err(ControlError::invalid(
                name,
                "give 1 to 128 characters, none of them a control character",
            )),
            id => Ok(id),
        }
    }

    /// Returns the id of the context.
    pub(super) fn id(&self, name: &str) -> Result<&str, ControlError> {
        self.optional_id(name)?
            .ok_or_else(|| ControlError::missing(name, "the id of the context"))
    }

    /// Returns the optional name of a context.
    pub(super) fn optional_name(&self) -> Result<Option<&str>, ControlError> {
        match self.get("name") {
            Some(name) if rules::check_name(name).is_err() => Err(ControlError::invalid(
                "name",
                "give 1 to 255 characters, none of them a control character",
            )),
            name => Ok(name),
        }
    }

    /// Returns the name of a context.
    pub(super) fn name(&self) -> Result<&str, ControlError> {
        self.optional_name()?
            .ok_or_else(|| ControlError::missing("name", "the name of the context"))
    }

    /// Returns the path of a file.
    pub(super) fn file_path(&self) -> Result<FilePath, ControlError> {
        let path = self
            .get("filePath")
            .ok_or_else(|| ControlError::missing("filePath", "the absolute path of the file"))?;
        parse_file_path(path)
    }

    /// Returns the path of the folder to list. Defaults to the root.
    pub(super) fn folder_path(&self) -> Result<FolderPath, ControlError> {
        let path = self.get("parentFolderPath").unwrap_or("/");
        FolderPath::parse(path)
            .ok_or_else(|| ControlError::invalid("parentFolderPath", &describe_path(path)))
    }

    /// Returns the page size, limited to the maximum.
    pub(super) fn page_size(&self, name: &str, default: u32) -> Result<u32, ControlError> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => match whole_number(text) {
                None | Some(0) => Err(ControlError::invalid(
                    name,
                    "give a whole number from 1 to 1000",
                )),
                Some(size) => Ok(u32::try_from(size)
                    .unwrap_or(MAX_PAGE_SIZE)
                    .min(MAX_PAGE_SIZE)),
            },
        }
    }

    /// Returns the page number, starting at 1.
    pub(super) fn page_number(&self) -> Result<i64, ControlError> {
        match self.get("pageNumber") {
            None => Ok(1),
            Some(text) => match whole_number(text) {
                None | Some(0) => Err(ControlError::invalid(
                    "pageNumber",
                    "give a whole number from 1",
                )),
                Some(number) => Ok(i64::try_from(number).unwrap_or(i64::MAX)),
            },
        }
    }

    /// Returns the page token. An empty token means the first page.
    pub(super) fn next_token(&self) -> Option<&str> {
        self.get("nextToken").filter(|token| !token.is_empty())
    }

    pub(super) fn allow_create(&self) -> Result<bool, ControlError> {
        match self.get("allowCreate") {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(ControlError::invalid(
                "allowCreate",
                "give `true` or `false`",
            )),
        }
    }

    /// Returns the requested login region. Defaults to the first known one.
    pub(super) fn region<'a>(&self, known: &'a [String]) -> Result<&'a str, ControlError> {
        let requested = self.get("loginRegionId").unwrap_or_default();
        let found = if requested.is_empty() {
            known.first()
        } else {
            known.iter().find(|region| *region == requested)
        };
        found.map(String::as_str).ok_or_else(|| {
            ControlError::invalid(
                "loginRegionId",
                &format!("this region is unknown; known: {}", known.join(", ")),
            )
        })
    }
}

/// Parses the path of a file.
pub(super) fn parse_file_path(path: &str) -> Result<FilePath, ControlError> {
    FilePath::parse(path).ok_or_else(|| ControlError::invalid("filePath", &describe_path(path)))
}

/// Describes what is wrong with an invalid path.
fn describe_path(path: &str) -> String {
    let rule = match rules::check_path(path) {
        Err(PathError::TooLong) => "it is longer than 1024 bytes",
        Err(PathError::Relative) => "it does not begin with a slash",
        Err(PathError::Backslash) => "it has a backslash",
        Err(PathError::ControlCharacter) => "it has a control character",
        _ => "it has an empty segment, `.` or `..`, or ends in a slash",
    };
    format!("give an absolute path of at most 1024 bytes without `.` and `..`; {rule}")
}

/// Parses a number of digits only. Saturates on overflow, because numbers are only compared with limits.
fn whole_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Decodes a name or a value strictly. `+` is a space, as in HTML forms.
fn decode(text: &str) -> Option<String> {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    // The decoder passes invalid escapes through.
    let mut escapes = text.as_bytes().split(|byte| *byte == b'%').skip(1);
    if !escapes.all(|rest| is_hex(rest.first()) && is_hex(rest.get(1))) {
        return None;
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::operations;

    fn parse(query: &str) -> Result<Params, ControlError> {
        let operation = operations()
            .iter()
            .find(|operation| operation.name == "GetContext")
            .unwrap();
        Params::parse(operation, query)
    }

    #[test]
    fn values_are_decoded_exactly_once() {
        let params = parse("name=a%20b+c%2Bd%252e&id=%C3%BC&unknown=%zz&%zz=1&&").unwrap();
        assert_eq!(params.get("name"), Some("a b c+d%2e"));
        assert_eq!(params.get("id"), Some("ü"));
        assert_eq!(params.get("unknown"), None);
        assert_eq!(parse("n%61me=x").unwrap().get("name"), Some("x"));
        assert_eq!(parse("name").unwrap().get("name"), Some(""));
    }

    #[test]
    fn invalid_and_repeated_values_are_rejected() {
        for query in [
            "name=%",
            "name=%4",
            "name=%zz",
            "name=%ff",
            "name=a&name=a",
            "name=a&n%61me=b",
            "name=%+1",
        ] {
            assert!(parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn numbers_consist_of_digits_only() {
        for (text, number) in [
            ("0", 0),
            ("007", 7),
            ("1000", 1000),
            ("99999999999999999999999", u64::MAX),
        ] {
            assert_eq!(whole_number(text), Some(number));
        }
        for text in ["", "-1", "+1", " 1", "1.0", "1e3", "٣", "0x10"] {
            assert_eq!(whole_number(text), None, "{text}");
        }
    }
}
