//! A client of S3 for the harness: one signed request at a time (AWS Signature Version 4).

use std::io;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::http_client::{Connection, Response};

/// Credentials of a store, and its address.
#[derive(Clone)]
pub(crate) struct S3Client {
    /// `HOST:PORT`.
    pub(crate) address: String,
    pub(crate) region: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    /// Limit on the time of a request.
    pub(crate) timeout: Duration,
}

/// A limit that a slow store does not reach.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

impl S3Client {
    /// Sends a request to the path `/BUCKET[/KEY]`, which has no characters that need encoding. Fails unless the status
    /// is 200 or 204.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Response, Failure> {
        let failure = |problem: String| {
            Failure::new(
                format!("{method} {path} failed: {problem}"),
                "the S3 store must accept signed requests",
            )
        };
        let response = self.send(method, path, body);
        let response = response.map_err(|error| failure(error.to_string()))?;
        match response.status {
            200 | 204 => Ok(response),
            status => {
                let body = String::from_utf8_lossy(&response.body).into_owned();
                Err(failure(format!("status {status}: {body}")))
            }
        }
    }

    /// Sends a request and returns the response with any status.
    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> io::Result<Response> {
        let time = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        let headers = self.sign(method, path, body, &time);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut connection = Connection::open_with_timeout(&self.address, "", self.timeout)?;
        connection.request(method, path, &headers, body)
    }

    /// The headers of a signed request, `host` included.
    fn sign(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        time: &str,
    ) -> [(&'static str, String); 4] {
        let hash = hex(&Sha256::digest(body));
        let host = &self.address;
        let names = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{time}\n\n{names}\n{hash}"
        );
        let date = time.get(..8).unwrap_or_default();
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let canonical = hex(&Sha256::digest(canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}");
        let mut key = hmac(format!("AWS4{}", self.secret_key).as_bytes(), date);
        for part in [self.region.as_str(), "s3", "aws4_request"] {
            key = hmac(&key, part);
        }
        let signature = hex(&hmac(&key, &to_sign));
        let credential = format!("{}/{scope}", self.access_key);
        [
            ("host", host.clone()),
            ("x-amz-content-sha256", hash),
            ("x-amz-date", time.to_owned()),
            (
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
                ),
            ),
        ]
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is accepted.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_documentation_of_aws() {
        // "Signature Calculations for the Authorization Header", the example of GET Bucket, without its query.
        let client = S3Client {
            address: "examplebucket.s3.amazonaws.com".to_owned(),
            region: "us-east-1".to_owned(),
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            timeout: TIMEOUT,
        };
        let mut key = hmac(b"AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524");
        for part in ["us-east-1", "s3", "aws4_request"] {
            key = hmac(&key, part);
        }
        assert_eq!(
            hex(&key),
            "dbb893acc010964918f1fd433add87c70e8b0db6be30c1fbeafefa5ec6ba8378"
        );
        let headers = client.sign("GET", "/", b"", "20130524T000000Z");
        let [_, hash, _, authorization] = headers;
        assert_eq!(
            hash.1,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert!(
            authorization
                .1
                .contains("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request")
        );
    }
}
