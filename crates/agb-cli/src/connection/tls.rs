//! [`TlsOptions`]: which certificates are trusted, and which one is sent.

use std::{net::IpAddr, path::PathBuf};

use agbcloud::CertificateVerification;
use clap::{ArgAction, Args, builder::FalseyValueParser};
use hyper::Uri;

use super::{ResolvedSettings, Setting, config_file};
use crate::{
    failure::{Code, Failure},
    stderr,
};

/// The options for TLS.
#[derive(Debug, Clone, Args)]
pub(super) struct TlsOptions {
    /// Trust the certificates in this PEM file too
    #[arg(long, hide_short_help = true, value_name = "FILE", env = "AGB_CA_FILE")]
    pub(super) ca_file: Option<String>,
    /// Certificate in PEM to send to servers that request one, with its chain
    #[arg(
        long,
        hide_short_help = true,
        value_name = "FILE",
        env = "AGB_CLIENT_CERT"
    )]
    pub(super) client_cert: Option<String>,
    /// Private key of --client-cert in PEM, if it is in another file
    #[arg(
        long,
        hide_short_help = true,
        value_name = "FILE",
        env = "AGB_CLIENT_KEY"
    )]
    pub(super) client_key: Option<String>,
    /// Do not verify certificates of loopback addresses. Given twice: of any endpoint, so that others can read and change everything
    #[arg(long, hide_short_help = true, action = ArgAction::Count)]
    pub(super) insecure: u8,
    /// Accept presigned URLs without TLS from an https endpoint
    #[arg(long, hide_short_help = true, env = "AGB_ALLOW_INSECURE_URLS", value_parser = FalseyValueParser::new())]
    pub(super) allow_insecure_urls: bool,
}

impl TlsOptions {
    /// Adds the certificates to the client.
    pub(super) fn apply(
        &self,
        mut resolved: ResolvedSettings,
    ) -> Result<ResolvedSettings, Failure> {
        if let Some(file) = &resolved.ca_file {
            let certificates = read(file)?;
            if !contains(&certificates, b"-----BEGIN CERTIFICATE-----") {
                let message = format!(
                    "{} ({}) contains no certificate in PEM",
                    file.value, file.source
                );
                return Err(Failure::usage(message)
                    .with_hint("pass the certificate of the server or of its issuer, not a key"));
            }
            resolved.builder = resolved.builder.root_certificates(certificates);
        }
        match (&resolved.client_cert, &resolved.client_key) {
            (Some(certificate), key) => {
                let chain = read(certificate)?;
                let key = key.as_ref().map_or_else(|| Ok(chain.clone()), read)?;
                resolved.builder = resolved.builder.client_certificate(chain, key);
            }
            (None, Some(key)) => {
                let message = format!("the client key {} needs a certificate", key.source);
                return Err(Failure::usage(message).with_hint("set --client-cert or client_cert"));
            }
            (None, None) => {}
        }
        let verification = self.verification(&resolved)?;
        resolved.builder = resolved
            .builder
            .danger_certificate_verification(verification);
        Ok(resolved)
    }

    fn verification(
        &self,
        resolved: &ResolvedSettings,
    ) -> Result<CertificateVerification, Failure> {
        match self.insecure {
            0 => Ok(CertificateVerification::Always),
            1 => {
                let endpoint = resolved.builder.resolved_endpoint()?;
                if is_loopback(&endpoint) {
                    return Ok(CertificateVerification::ExceptLoopback);
                }
                let message = format!(
                    "--insecure is not allowed for {endpoint}: others on the network could read the API key"
                );
                Err(Failure::with_code(Code::NotAllowed, message).with_hint(
                    "trust its certificate with --ca-file FILE, or pass --insecure twice",
                ))
            }
            _ => {
                stderr::note(
                    "warning: certificates are not verified: others on the network can read and change everything, the API key included",
                );
                Ok(CertificateVerification::Never)
            }
        }
    }
}

fn is_loopback(endpoint: &str) -> bool {
    let endpoint = endpoint.parse::<Uri>();
    let host = endpoint.as_ref().ok().and_then(Uri::host);
    host.is_some_and(
        |host| match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => host.trim_end_matches('.') == "localhost",
        },
    )
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Reads a file. The path in a profile is relative to the folder of the config file.
fn read(file: &Setting) -> Result<Vec<u8>, Failure> {
    let mut path = PathBuf::from(&file.value);
    if path.is_relative() && file.is_of_profile {
        let config = config_file()?;
        path = config
            .parent()
            .map_or(path.clone(), |folder| folder.join(&path));
    }
    std::fs::read(&path).map_err(|error| {
        let message = format!("can't read {} ({})", path.display(), file.source);
        Failure {
            cause: Some(error.to_string()),
            ..Failure::usage(message)
        }
    })
}
