//! Check who calls: a token that an enrolled account of a member signed.

use super::{Api, Refusal};
use countersign_proof::{PublicKey, organisation_of};
use countersign_proto::Token;
use tonic::metadata::MetadataMap;

impl Api {
    /// The caller's token, when an account's own key signed it.
    pub(super) fn authenticate(&self, metadata: &MetadataMap) -> Result<Token, Refusal> {
        let missing = || Refusal::new("UNAUTHENTICATED", "this call needs the header authorization: Bearer <token>");
        let header = metadata.get("authorization").ok_or_else(missing)?;
        let text = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).ok_or_else(missing)?;
        let now = self.clock.now_ms() / 1000;
        let token = Token::parse(text, &self.origin, now)
            .map_err(|error| Refusal::new("UNAUTHENTICATED", error.to_string()))?;
        self.check_account(&token)?;
        Ok(token)
    }

    /// Whether the token's key is still the account's, and its organisation still a member.
    pub(super) fn check_account(&self, token: &Token) -> Result<(), Refusal> {
        let account = &token.claims.sub;
        let refused = |detail: String| Err(Refusal::new("PERMISSION_DENIED", detail));
        let organisation = organisation_of(account);
        if !self.members.borrow().membership.organisations.contains_key(organisation) {
            return refused(format!("{organisation} is no member of this ledger"));
        }
        let version = self.reader.document("$accounts", account)?;
        let keys: Vec<PublicKey> = version
            .and_then(|version| version.value)
            .and_then(|value| serde_json::from_value(value["keys"].clone()).ok())
            .unwrap_or_default();
        if !keys.contains(&token.key) {
            return refused(format!("{} is not a key of {account}", token.key));
        }
        Ok(())
    }
}
