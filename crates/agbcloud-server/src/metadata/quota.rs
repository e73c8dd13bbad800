//! Quotas: how many files and bytes a tenant and a context may hold.

/// The limits of an upload. `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Quotas {
    /// Maximum number of bytes of all files of the tenant.
    pub(crate) tenant_bytes: Option<u64>,
    /// Maximum number of files of the tenant.
    pub(crate) tenant_files: Option<u64>,
    /// Maximum number of bytes of all files of the context.
    pub(crate) context_bytes: Option<u64>,
    /// Maximum number of files of the context.
    pub(crate) context_files: Option<u64>,
}

/// The files of a tenant, of a context or of a store, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Number of files.
    pub files: u64,
    /// Number of bytes of all files.
    pub bytes: u64,
}

/// A quota that an upload would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} is {limit}, and {used} are in use", .kind.as_str())]
pub(crate) struct Quota {
    pub(crate) kind: QuotaKind,
    pub(crate) limit: u64,
    /// The usage before the upload.
    pub(crate) used: u64,
}

/// What a quota limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuotaKind {
    TenantBytes,
    TenantFiles,
    ContextBytes,
    ContextFiles,
}

impl QuotaKind {
    /// All kinds.
    pub(crate) const ALL: [Self; 4] = [
        Self::TenantBytes,
        Self::TenantFiles,
        Self::ContextBytes,
        Self::ContextFiles,
    ];

    /// Returns the name of the limit.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TenantBytes => "tenant-bytes",
            Self::TenantFiles => "tenant-files",
            Self::ContextBytes => "context-bytes",
            Self::ContextFiles => "context-files",
        }
    }
}

impl Quotas {
    /// Whether a quota of the tenant is set, so that its usage is needed.
    pub(crate) fn limit_tenant(&self) -> bool {
        self.tenant_bytes.is_some() || self.tenant_files.is_some()
    }

    /// Whether a quota of the context is set, so that its usage is needed.
    pub(crate) fn limit_context(&self) -> bool {
        self.context_bytes.is_some() || self.context_files.is_some()
    }

    /// Checks a file of `size` bytes that replaces one of `replaced` bytes, or that is new. Only what grows is checked: a tenant
    /// above a lowered quota can still replace files with smaller ones.
    ///
    /// # Errors
    ///
    /// The first quota that the file would exceed.
    pub(crate) fn check(
        &self,
        tenant: Usage,
        context: Usage,
        size: u64,
        replaced: Option<u64>,
    ) -> Result<(), Quota> {
        let files = u64::from(replaced.is_none());
        let bytes = size.saturating_sub(replaced.unwrap_or(0));
        for (kind, limit, used, growth) in [
            (
                QuotaKind::ContextFiles,
                self.context_files,
                context.files,
                files,
            ),
            (
                QuotaKind::TenantFiles,
                self.tenant_files,
                tenant.files,
                files,
            ),
            (
                QuotaKind::ContextBytes,
                self.context_bytes,
                context.bytes,
                bytes,
            ),
            (
                QuotaKind::TenantBytes,
                self.tenant_bytes,
                tenant.bytes,
                bytes,
            ),
        ] {
            if let Some(limit) = limit
                && growth > 0
                && used.saturating_add(growth) > limit
            {
                return Err(Quota { kind, limit, used });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Quotas = Quotas {
        tenant_bytes: Some(100),
        tenant_files: Some(10),
        context_bytes: Some(50),
        context_files: Some(5),
    };

    fn usage(files: u64, bytes: u64) -> Usage {
        Usage { files, bytes }
    }

    #[test]
    fn the_first_exceeded_quota_is_reported_with_its_limit_and_usage() {
        let check = |tenant, context, size, replaced| {
            let error = ALL.check(tenant, context, size, replaced).err()?;
            Some((error.kind, error.limit, error.used))
        };
        assert_eq!(check(usage(9, 90), usage(4, 40), 10, None), None);
        let (at_end, empty) = (usage(10, 100), usage(0, 0));
        assert_eq!(
            check(at_end, usage(5, 50), 1, None),
            Some((QuotaKind::ContextFiles, 5, 5))
        );
        assert_eq!(
            check(at_end, empty, 1, None),
            Some((QuotaKind::TenantFiles, 10, 10))
        );
        assert_eq!(
            check(usage(9, 90), usage(4, 45), 6, None),
            Some((QuotaKind::ContextBytes, 50, 45))
        );
        assert_eq!(
            check(usage(9, 95), usage(4, 40), 6, None),
            Some((QuotaKind::TenantBytes, 100, 95))
        );
        assert_eq!(
            check(empty, empty, u64::MAX, None),
            Some((QuotaKind::ContextBytes, 50, 0))
        );
    }

    #[test]
    fn a_replacement_counts_its_growth() {
        let full = (usage(10, 100), usage(5, 50));
        let check = |size, replaced| ALL.check(full.0, full.1, size, Some(replaced)).is_ok();
        assert!(check(7, 7) && check(0, 7) && !check(8, 7));
        // Above a lowered quota only what grows is rejected.
        let above = (usage(20, 900), usage(20, 900));
        let check = |size, replaced| ALL.check(above.0, above.1, size, replaced).is_ok();
        assert!(check(899, Some(900)) && !check(901, Some(900)) && !check(0, None));
    }

    #[test]
    fn without_quotas_everything_is_allowed() {
        let most = usage(u64::MAX, u64::MAX);
        assert_eq!(Quotas::default().check(most, most, u64::MAX, None), Ok(()));
    }
}
