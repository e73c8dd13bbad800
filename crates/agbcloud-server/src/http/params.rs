//! The parameters of a control call: read off the query string strictly, checked one by one.

use agbcloud_api::rules::{self, MAX_PAGE_SIZE, PathError};

use super::envelope::Failure;
use super::operations::Operation;
use crate::names::{FilePath, FolderPath};

/// The parameters of one call: those that its operation knows, all others are ignored.
#[derive(Debug)]
pub(super) struct Params(Vec<(&'static str, String)>);

impl Params {
    /// Decodes `query`. A known parameter that is doubled or badly encoded is refused, not guessed at.
    pub(super) fn parse(operation: &Operation, query: &str) -> Result<Self, Failure> {
        let mut params: Vec<(&'static str, String)> = Vec::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = decode(name) else { continue };
            let Some(name) = operation.parameters.iter().find(|known| **known == name) else {
                continue;
            };
            if params.iter().any(|(seen, _)| seen == name) {
                return Err(Failure::invalid(name, "it is there twice: give it once"));
            }
            let value = decode(value).ok_or_else(|| {
                Failure::invalid(
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

    /// An id, if there is one.
    pub(super) fn optional_id(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.get(name) {
            Some(id) if rules::check_id(id).is_err() => Err(Failure::invalid(
                name,
                "give 1 to 128 characters, none of them a control character",
            )),
            id => Ok(id),
        }
    }

    /// The id of the context.
    pub(super) fn id(&self, name: &str) -> Result<&str, Failure> {
        self.optional_id(name)?
            .ok_or_else(|| Failure::missing(name, "the id of the context"))
    }

    /// The name of a context, if there is one.
    pub(super) fn optional_name(&self) -> Result<Option<&str>, Failure> {
        match self.get("name") {
            Some(name) if rules::check_name(name).is_err() => Err(Failure::invalid(
                "name",
                "give 1 to 255 characters, none of them a control character",
            )),
            name => Ok(name),
        }
    }

    /// The name of a context.
    pub(super) fn name(&self) -> Result<&str, Failure> {
        self.optional_name()?
            .ok_or_else(|| Failure::missing("name", "the name of the context"))
    }

    /// The path of a file.
    pub(super) fn file_path(&self) -> Result<FilePath, Failure> {
        let path = self
            .get("filePath")
            .ok_or_else(|| Failure::missing("filePath", "the absolute path of the file"))?;
        FilePath::parse(path).ok_or_else(|| Failure::invalid("filePath", &describe_path(path)))
    }

    /// The path of the folder to list; the root if there is none.
    pub(super) fn folder_path(&self) -> Result<FolderPath, Failure> {
        let path = self.get("parentFolderPath").unwrap_or("/");
        FolderPath::parse(path)
            .ok_or_else(|| Failure::invalid("parentFolderPath", &describe_path(path)))
    }

    /// A size of pages, from 1; what is over the maximum is the maximum.
    pub(super) fn page_size(&self, name: &str, default: u32) -> Result<u32, Failure> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => match whole_number(text) {
                None | Some(0) => Err(Failure::invalid(name, "give a whole number from 1 to 1000")),
                Some(size) => Ok(u32::try_from(size)
                    .unwrap_or(MAX_PAGE_SIZE)
                    .min(MAX_PAGE_SIZE)),
            },
        }
    }

    /// The number of a page, from 1.
    pub(super) fn page_number(&self) -> Result<i64, Failure> {
        match self.get("pageNumber") {
            None => Ok(1),
            Some(text) => match whole_number(text) {
                None | Some(0) => Err(Failure::invalid("pageNumber", "give a whole number from 1")),
                Some(number) => Ok(i64::try_from(number).unwrap_or(i64::MAX)),
            },
        }
    }

    /// Where a listing goes on; nothing and an empty text both mean the beginning.
    pub(super) fn next_token(&self) -> Option<&str> {
        self.get("nextToken").filter(|token| !token.is_empty())
    }

    pub(super) fn allow_create(&self) -> Result<bool, Failure> {
        match self.get("allowCreate") {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(Failure::invalid("allowCreate", "give `true` or `false`")),
        }
    }

    /// The login region out of the known ones, of which the first is the default.
    pub(super) fn region<'a>(&self, known: &'a [String]) -> Result<&'a str, Failure> {
        let asked = self.get("loginRegionId").unwrap_or_default();
        let found = if asked.is_empty() {
            known.first()
        } else {
            known.iter().find(|region| *region == asked)
        };
        found.map(String::as_str).ok_or_else(|| {
            Failure::invalid(
                "loginRegionId",
                &format!("this region is unknown; known: {}", known.join(", ")),
            )
        })
    }
}

/// What to do about a bad path: the rule that it breaks, or else all of them.
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

/// A number of digits alone. What no integer holds is as good as the largest: it is compared with limits only.
fn whole_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Decodes one half of a pair: `+` is a space, as every HTTP client's query encoder has it.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::operations;

    fn parse(query: &str) -> Result<Params, Failure> {
        let operation = operations()
            .iter()
            .find(|operation| operation.name == "GetContext")
            .unwrap();
        Params::parse(operation, query)
    }

    #[test]
    fn values_are_decoded_once() {
        let params = parse("name=a%20b+c%2Bd%252e&id=%C3%BC&unknown=%zz&%zz=1&&").unwrap();
        assert_eq!(params.get("name"), Some("a b c+d%2e"));
        assert_eq!(params.get("id"), Some("ü"));
        assert_eq!(params.get("unknown"), None);
        assert_eq!(parse("n%61me=x").unwrap().get("name"), Some("x"));
        assert_eq!(parse("name").unwrap().get("name"), Some(""));
    }

    #[test]
    fn broken_and_doubled_values_are_refused() {
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
    fn numbers_are_digits_alone() {
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
