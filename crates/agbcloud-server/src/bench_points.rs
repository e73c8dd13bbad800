//! Parts of the service without sockets, for the benchmarks of this workspace that count instructions and allocations.

#![expect(clippy::unwrap_used, reason = "only called by benchmarks")]

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, StatusCode};

use crate::Server;
use crate::names::FilePath;
use crate::signing::url::Grant;
use crate::signing::{KeyRing, Secret, Signer};
use crate::system::clock::Micros;

const NOW: Micros = Micros(1_000_000_000);

/// Presigned URLs for the upload of one file, with a fixed secret.
pub struct PresignedUrls {
    ring: KeyRing,
    grant: Grant,
}

impl Default for PresignedUrls {
    fn default() -> Self {
        let signer = Signer::new(&Secret([7; 32]));
        let grant = Grant {
            tenant: signer.tenant("key"),
            context: "SdkCtx-abcdefghij0123456789".to_owned(),
            generation: 1,
            path: FilePath::parse("/workspace-01/packages-component-001/module-0001.json").unwrap(),
            expires: NOW.seconds() + 60,
            issuer: signer.issuer(&[1; 32]),
        };
        Self {
            ring: signer.ring(),
            grant,
        }
    }
}

impl PresignedUrls {
    /// Returns the path and query of a signed URL.
    pub fn sign(&self) -> String {
        self.ring.sign(&Method::PUT, &self.grant)
    }

    /// Whether the path and query of a URL are signed.
    pub fn verify(&self, target: &str) -> bool {
        self.ring.verify(&Method::PUT, target, NOW).as_ref() == Ok(&self.grant)
    }
}

/// Handles a request without a connection. Returns the status and the body.
pub async fn handle(
    server: &Server,
    method: Method,
    target: &str,
    api_key: &str,
) -> (StatusCode, Bytes) {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {api_key}"))
        .body(Body::empty())
        .unwrap();
    let response = (server.responder)(request).await;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    (status, body.unwrap())
}
