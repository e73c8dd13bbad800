//! Page tokens: where a listing goes on. Opaque, authenticated, good for one tenant.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Signer, Tenant, same};
use crate::clock::Micros;
use crate::metadata::ContextCursor;

const VERSION: u8 = 1;
const MAC_LENGTH: usize = 16;

impl Signer {
    /// The token of what comes after `position` in the listing of `tenant`.
    pub(crate) fn page_token(&self, tenant: &Tenant, position: &ContextCursor) -> String {
        let mut token = vec![VERSION];
        token.extend(position.create_time.0.to_be_bytes());
        token.extend(position.id.as_bytes());
        let mac = self.token_mac(tenant, &token);
        token.extend(mac);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The position in a token that was issued to this tenant; nothing for any other text.
    pub(crate) fn position(&self, tenant: &Tenant, token: &str) -> Option<ContextCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (payload, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_LENGTH)?)?;
        if !same(mac, &self.token_mac(tenant, payload)) {
            return None;
        }
        let (version, rest) = payload.split_first()?;
        let (create_time, id) = rest.split_first_chunk::<8>()?;
        if *version != VERSION {
            return None;
        }
        Some(ContextCursor {
            create_time: Micros(i64::from_be_bytes(*create_time)),
            id: String::from_utf8(id.to_vec()).ok()?,
        })
    }

    fn token_mac(&self, tenant: &Tenant, payload: &[u8]) -> [u8; MAC_LENGTH] {
        let mac = self
            .tokens
            .mac(&[tenant.as_str().as_bytes(), b"\n", payload]);
        let mut short = [0; MAC_LENGTH];
        short.copy_from_slice(&mac[..MAC_LENGTH]);
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::Secret;

    #[test]
    fn a_token_comes_back_for_its_tenant_alone() {
        let signer = Signer::new(&Secret([7; 32]));
        let (mine, other) = (signer.tenant("mine"), signer.tenant("other"));
        let position = ContextCursor {
            create_time: Micros(-5),
            id: "SdkCtx-abc".to_owned(),
        };
        let token = signer.page_token(&mine, &position);
        assert_eq!(signer.position(&mine, &token), Some(position));
        assert_eq!(signer.position(&other, &token), None);
        assert_eq!(Signer::new(&Secret([8; 32])).position(&mine, &token), None);
    }

    #[test]
    fn an_altered_token_is_none() {
        let signer = Signer::new(&Secret([7; 32]));
        let tenant = signer.tenant("mine");
        let position = ContextCursor {
            create_time: Micros(1),
            id: "SdkCtx-abc".to_owned(),
        };
        let token = signer.page_token(&tenant, &position);
        for at in 0..token.len() {
            for replacement in ["A", "B", "~", ""] {
                let mut altered = token.clone();
                altered.replace_range(at..=at, replacement);
                if altered != token {
                    assert_eq!(signer.position(&tenant, &altered), None, "{altered}");
                }
            }
        }
        for text in ["", "x", "🦀", "AAAA", &token[..22]] {
            assert_eq!(signer.position(&tenant, text), None, "{text}");
        }
    }
}
