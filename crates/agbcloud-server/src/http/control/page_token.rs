//! Page tokens: the position where a listing continues. Opaque, authenticated, and valid for one tenant.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::metadata::ContextCursor;
use crate::signing::{Signer, Tenant, constant_time_eq};
use crate::system::clock::Micros;

const VERSION: u8 = 1;
const MAC_LENGTH: usize = 16;

/// Returns the token for the entries after `position` in the listing of `tenant`.
pub(crate) fn encode(signer: &Signer, tenant: &Tenant, position: &ContextCursor) -> String {
    let mut token = vec![VERSION];
    token.extend(position.create_time.0.to_be_bytes());
    token.extend(position.id.as_bytes());
    let mac = signer.token_mac(tenant, &token);
    token.extend(&mac[..MAC_LENGTH]);
    URL_SAFE_NO_PAD.encode(token)
}

/// Returns the position of a token that was issued to this tenant, and `None` for any other text.
pub(crate) fn decode(signer: &Signer, tenant: &Tenant, token: &str) -> Option<ContextCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (payload, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_LENGTH)?)?;
    if !constant_time_eq(mac, &signer.token_mac(tenant, payload)[..MAC_LENGTH]) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::Secret;

    #[test]
    fn a_token_is_valid_only_for_its_tenant() {
        let signer = Signer::new(&Secret([7; 32]));
        let (mine, other) = (signer.tenant("mine"), signer.tenant("other"));
        let position = ContextCursor {
            create_time: Micros(-5),
            id: "SdkCtx-abc".to_owned(),
        };
        let token = encode(&signer, &mine, &position);
        assert_eq!(decode(&signer, &mine, &token), Some(position));
        assert_eq!(decode(&signer, &other, &token), None);
        assert_eq!(decode(&Signer::new(&Secret([8; 32])), &mine, &token), None);
    }

    #[test]
    fn an_altered_token_is_invalid() {
        let signer = Signer::new(&Secret([7; 32]));
        let tenant = signer.tenant("mine");
        let position = ContextCursor {
            create_time: Micros(1),
            id: "SdkCtx-abc".to_owned(),
        };
        let token = encode(&signer, &tenant, &position);
        for at in 0..token.len() {
            for replacement in ["A", "B", "~", ""] {
                let mut altered = token.clone();
                altered.replace_range(at..=at, replacement);
                if altered != token {
                    assert_eq!(decode(&signer, &tenant, &altered), None, "{altered}");
                }
            }
        }
        for text in ["", "x", "🦀", "AAAA", &token[..22]] {
            assert_eq!(decode(&signer, &tenant, text), None, "{text}");
        }
    }
}
