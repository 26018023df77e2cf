//! The login of a component (XEP-0114).

use sha1::{Digest, Sha1};
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;

use super::fault::Fault;
use super::stream::Stream;
use crate::base::Secret;

/// The namespace of a component's stanzas (XEP-0114 §4).
pub const NAMESPACE: &str = "jabber:component:accept";

/// Begins the stream and shows that we know the secret (XEP-0114 §3). Returns our address.
///
/// # Errors
/// [`Fault`].
pub async fn login(stream: &mut Stream, domain: &str, secret: &Secret) -> Result<Jid, Fault> {
    let jid = Jid::new(domain).map_err(|e| Fault::Unsupported(format!("{domain} is no address: {e}")))?;
    let id = stream.open(domain).await?.unwrap_or_default();
    // An empty name is how a server says that an error follows.
    if !id.is_empty() {
        let handshake = Element::builder("handshake", ns::JABBER_CLIENT);
        stream.send(&handshake.append(proof(&id, secret)).build()).await?;
    }
    let answer = stream.element().await.map_err(|fault| match fault {
        // Most likely our own stream before, whose end the server has not noticed: that takes no person to mend.
        Fault::Conflict(sentence) => Fault::Ended(sentence),
        fault => fault,
    })?;
    match answer.is("handshake", ns::JABBER_CLIENT) {
        true => Ok(jid),
        false => Err(Fault::Malformed(format!("it answers the handshake with <{}/>", answer.name()))),
    }
}

fn proof(id: &str, secret: &Secret) -> String {
    let digest = Sha1::new().chain_update(id).chain_update(secret.expose()).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_proof_is_that_of_the_example() {
        // XEP-0114 §3, example 3, does not name its secret; this is sha1("3BF96D32" + "test").
        assert_eq!(proof("3BF96D32", &Secret::new("test")), "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e");
    }
}
