use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Error, Secret, pem, private_file, random};

/// How tokens are signed. A key has exactly one; what a token's header says never chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
pub enum Algorithm {
    /// HMAC with SHA-256 (RFC 7518, section 3.2): whoever verifies can also sign.
    #[serde(rename = "HS256")]
    Hs256,
    /// Ed25519 (RFC 8037): whoever has the public key can verify and not sign.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// As in the header of a token: `HS256` or `EdDSA`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// The public half of an Ed25519 key as a JSON Web Key (RFC 8037, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
pub struct PublicKey {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// 32 bytes in base64url.
    pub x: String,
    /// The key's id: its thumbprint (RFC 7638).
    pub kid: String,
    /// Always `EdDSA`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

/// What signs tokens and recognises its own. Cheap to clone; debug output shows its id only.
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    id: String,
    print: [u8; 32],
    material: SecretSlice<u8>,
    signer: Signer,
}

enum Signer {
    Hs256(Hmac<Sha256>),
    EdDsa(Ed25519KeyPair),
}

impl From<&Secret> for SigningKey {
    fn from(secret: &Secret) -> Self {
        Self::hs256(secret.expose())
    }
}

impl SigningKey {
    fn hs256(material: &[u8]) -> Self {
        let signer = Signer::Hs256(hmac(material));
        let id = format!("hs_{}", random::hex(&mac(material, b"orchestrator-auth: name of a key")[..12]));
        Self::assembled(id, material, signer)
    }

    /// An Ed25519 key from its 32 bytes.
    pub(crate) fn ed25519(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a private key");
        let id = URL_SAFE_NO_PAD.encode(thumbprint(pair.public_key().as_ref()));
        Self::assembled(id, seed, Signer::EdDsa(pair))
    }

    fn assembled(id: String, material: &[u8], signer: Signer) -> Self {
        let algorithm = match signer {
            Signer::Hs256(_) => Algorithm::Hs256,
            Signer::EdDsa(_) => Algorithm::EdDsa,
        };
        let print = Sha256::new().chain_update(algorithm.as_str()).chain_update(material).finalize().into();
        Self(Arc::new(Inner { id, print, material: material.to_vec().into(), signer }))
    }

    /// The Ed25519 key in PKCS#8 as PEM, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is anything else.
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        let expected = "an Ed25519 private key in PKCS#8 as PEM: `openssl genpkey -algorithm ed25519`";
        pem::seed(text).map(|seed| Self::ed25519(&seed)).ok_or(Error::Invalid { field: "ed25519Key", expected })
    }

    /// The Ed25519 key in a PEM file, which is made if it does not exist: complete or not at all, for its owner only
    /// (0600).
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or written, is no regular file, or others may access it;
    /// [`Error::Invalid`] if it holds no such key. A file that is wrong is never replaced.
    pub fn load_or_create_pem(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        for _ in 0..2 {
            if let Some(content) = private_file::read(path).map_err(failed)? {
                return Self::from_pem(&String::from_utf8_lossy(&content));
            }
            let seed = random::bytes::<32>();
            if private_file::create(path, pem::written(&seed).as_bytes()).map_err(failed)? {
                return Ok(Self::ed25519(&seed));
            }
        }
        Err(failed(std::io::Error::other("it comes and goes")))
    }

    /// A new random key.
    #[cfg(feature = "sql")]
    pub(crate) fn generate(algorithm: Algorithm) -> Self {
        let material = random::bytes::<32>();
        Self::from_material(algorithm, &material).expect("32 bytes are a key of either kind")
    }

    /// The key with this [material](Self::material).
    #[cfg(feature = "sql")]
    pub(crate) fn from_material(algorithm: Algorithm, material: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Hs256 => (material.len() >= 32).then(|| Self::hs256(material)),
            Algorithm::EdDsa => material.try_into().ok().map(Self::ed25519),
        }
    }

    /// Names the key in token headers and records; tells nothing about it.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.0.signer {
            Signer::Hs256(_) => Algorithm::Hs256,
            Signer::EdDsa(_) => Algorithm::EdDsa,
        }
    }

    /// What everybody may know of it: nothing of an HS256 key.
    pub fn public(&self) -> Option<PublicKey> {
        let Signer::EdDsa(pair) = &self.0.signer else { return None };
        Some(PublicKey {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
            kid: self.id().to_owned(),
            alg: Algorithm::EdDsa.as_str().to_owned(),
            usage: "sig".to_owned(),
        })
    }

    /// Another secret that only holders of this key can know, one per purpose.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        // No message of a token has a colon, so nothing that was ever signed equals a derived secret.
        mac(self.0.material.expose_secret(), format!("orchestrator-auth: {purpose}").as_bytes())
    }

    #[cfg(feature = "sql")]
    pub(crate) fn material(&self) -> &[u8] {
        self.0.material.expose_secret()
    }

    /// Tells keys apart without telling anything about them.
    pub(crate) fn print(&self) -> [u8; 32] {
        self.0.print
    }

    pub(crate) fn sign(&self, message: &str) -> Vec<u8> {
        match &self.0.signer {
            Signer::Hs256(mac) => mac.clone().chain_update(message).finalize().into_bytes().to_vec(),
            Signer::EdDsa(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        }
    }

    /// Whether this key made the signature, and by its own algorithm.
    pub(crate) fn signed(&self, message: &str, signature: &[u8]) -> bool {
        match &self.0.signer {
            // Compares in constant time and wants all 32 bytes.
            Signer::Hs256(mac) => mac.clone().chain_update(message).verify_slice(signature).is_ok(),
            Signer::EdDsa(pair) => {
                UnparsedPublicKey::new(&ED25519, pair.public_key()).verify(message.as_bytes(), signature).is_ok()
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm().as_str(), self.id())
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.print == other.0.print
    }
}

/// The key that signs, and those that only recognise what they signed.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs.
    pub current: SigningKey,
    /// Configured before; what they signed still counts.
    pub previous: Vec<SigningKey>,
}

impl<K: Into<SigningKey>> From<K> for Keys {
    fn from(current: K) -> Self {
        Self { current: current.into(), previous: Vec::new() }
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

pub(crate) fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    hmac(key).chain_update(message).finalize().into_bytes().into()
}

/// RFC 7638 with the members that RFC 8037 requires, in their order.
fn thumbprint(public: &[u8]) -> [u8; 32] {
    let x = URL_SAFE_NO_PAD.encode(public);
    Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)).into()
}

#[cfg(test)]
mod tests;
