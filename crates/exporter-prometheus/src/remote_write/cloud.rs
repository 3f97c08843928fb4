//! The blocks of cloud providers: what of them is implemented, and which combinations make sense.

use corten_component::{Arguments, Invalid};
use corten_syntax::Secret;

/// Signs requests as Amazon's services want it (Signature Version 4).
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct SigV4 {
    /// The region; by default from `AWS_REGION` or `AWS_DEFAULT_REGION`.
    pub region: String,
    /// The key's id; by default from `AWS_ACCESS_KEY_ID`.
    pub access_key: String,
    /// The key; by default from `AWS_SECRET_ACCESS_KEY`.
    pub secret_key: Secret,
    /// Not implemented.
    pub profile: String,
    /// Not implemented.
    pub role_arn: String,
    /// Not implemented.
    pub external_id: String,
    /// Without effect: it belongs to `role_arn`.
    pub use_fips_sts_endpoint: bool,
    /// The service that requests are signed for.
    pub service_name: String,
}

impl Default for SigV4 {
    fn default() -> Self {
        Self {
            region: String::new(),
            access_key: String::new(),
            secret_key: Secret::default(),
            profile: String::new(),
            role_arn: String::new(),
            external_id: String::new(),
            use_fips_sts_endpoint: false,
            service_name: "aps".to_owned(),
        }
    }
}

impl SigV4 {
    fn validate(&self) -> Result<(), Invalid> {
        if self.access_key.is_empty() != self.secret_key.is_empty() {
            return Err(Invalid::new(
                "must provide an AWS SigV4 access key and secret key if credentials are specified in the SigV4 config",
            ));
        }
        if !self.external_id.is_empty() && self.role_arn.is_empty() {
            return Err(Invalid::at("external_id", "external_id can only be used with role_arn"));
        }
        for (name, text) in [("profile", &self.profile), ("role_arn", &self.role_arn)] {
            if !text.is_empty() {
                return Err(Invalid::at(name, format!("{name} of sigv4 is not implemented by Corten"))
                    .with_help("write access_key and secret_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
            }
        }
        Ok(())
    }
}

/// Tokens of Azure: not implemented.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct AzureAd {
    /// The cloud: `AzurePublic`, `AzureChina` or `AzureGovernment`.
    pub cloud: String,
    /// What is asked for.
    pub scope: String,
    /// An identity that Azure manages.
    #[arg(block)]
    pub managed_identity: Option<ManagedIdentity>,
    /// Client credentials.
    #[arg(block)]
    pub oauth: Option<AzureOAuth>,
    /// What Azure's SDK finds.
    #[arg(block)]
    pub sdk: Option<AzureSdk>,
    /// A token that Kubernetes hands out.
    #[arg(block)]
    pub workload_identity: Option<WorkloadIdentity>,
}

impl Default for AzureAd {
    fn default() -> Self {
        Self {
            cloud: CLOUDS[0].to_owned(),
            scope: String::new(),
            managed_identity: None,
            oauth: None,
            sdk: None,
            workload_identity: None,
        }
    }
}

const CLOUDS: [&str; 3] = ["AzurePublic", "AzureChina", "AzureGovernment"];

impl AzureAd {
    fn validate(&self) -> Result<(), Invalid> {
        if !CLOUDS.contains(&self.cloud.as_str()) {
            return Err(Invalid::at("cloud", "must provide a cloud in the Azure AD config")
                .with_help(format!("expected one of {}", CLOUDS.join(", "))));
        }
        let ways = [
            self.managed_identity.is_some(),
            self.oauth.is_some(),
            self.sdk.is_some(),
            self.workload_identity.is_some(),
        ];
        match ways.into_iter().filter(|used| *used).count() {
            0 => Err(Invalid::new(
                "must provide an Azure Managed Identity, Azure Workload Identity, Azure OAuth or Azure SDK in the Azure AD config",
            )),
            1 => Ok(()),
            _ => Err(Invalid::new("cannot provide multiple authentication methods in the Azure AD config")),
        }
    }
}

/// An identity that Azure manages.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct ManagedIdentity {
    /// The client.
    #[arg(required)]
    pub client_id: String,
}

/// Client credentials.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct AzureOAuth {
    /// The client.
    #[arg(required)]
    pub client_id: String,
    /// Its secret.
    #[arg(required)]
    pub client_secret: Secret,
    /// The tenant.
    #[arg(required)]
    pub tenant_id: String,
}

/// What Azure's SDK finds.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct AzureSdk {
    /// The tenant.
    #[arg(required)]
    pub tenant_id: String,
}

/// A token that Kubernetes hands out.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct WorkloadIdentity {
    /// The client.
    #[arg(required)]
    pub client_id: String,
    /// The tenant.
    #[arg(required)]
    pub tenant_id: String,
    /// The file with the token.
    pub token_file_path: String,
}

impl Default for WorkloadIdentity {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            tenant_id: String::new(),
            token_file_path: "/var/run/secrets/azure/tokens/azure-identity-token".to_owned(),
        }
    }
}

/// Credentials of Google's services: not implemented.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct GoogleIam {
    /// A file with credentials.
    pub credentials_file: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_keys_and_what_is_not_implemented_are_errors() {
        assert!(SigV4::default().check().is_ok());
        let half = SigV4 { access_key: "AKID".to_owned(), ..SigV4::default() };
        assert!(half.check().unwrap_err().message.contains("access key and secret key"));
        let profile = SigV4 { profile: "x".to_owned(), ..SigV4::default() };
        assert_eq!(profile.check().unwrap_err().message, "profile of sigv4 is not implemented by Corten");
        let external = SigV4 { external_id: "x".to_owned(), ..SigV4::default() };
        assert_eq!(external.check().unwrap_err().message, "external_id can only be used with role_arn");
    }

    #[test]
    fn azure_takes_exactly_one_way() {
        assert!(AzureAd::default().check().unwrap_err().message.starts_with("must provide an Azure"));
        let one = AzureAd { sdk: Some(AzureSdk::default()), ..AzureAd::default() };
        assert!(one.check().is_ok());
        let two = AzureAd { oauth: Some(AzureOAuth::default()), ..one.clone() };
        assert!(two.check().unwrap_err().message.starts_with("cannot provide multiple"));
        assert!(AzureAd { cloud: "x".to_owned(), ..one }.check().is_err());
    }
}
