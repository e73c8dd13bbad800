//! Checks the counts of contexts, files and bytes.

use super::{BATCH, Damage, Repair, Snapshot};
use crate::metadata::check::{CountedUsage, ProblemKind, WrongCount, WrongUsage};
use crate::metadata::postgres::connection::Failure;
use crate::metadata::postgres::tenant_row::TenantUsage;

/// The tenants, each with its contexts and their files. A context without a tree has its own finding.
const COUNTS: &str = "SELECT tenants.pk, tenants.contexts, tenants.files, tenants.bytes,
            contexts.id, trees.pk, trees.files, trees.bytes, found.files, found.bytes
     FROM tenants LEFT JOIN contexts ON contexts.tenant = tenants.pk
     LEFT JOIN trees ON trees.pk = contexts.tree AND trees.tenant = contexts.tenant AND NOT trees.doomed
     LEFT JOIN LATERAL (
         SELECT count(*) AS files, least(coalesce(sum(size), 0), 9223372036854775807)::bigint AS bytes FROM entries
         WHERE entries.tenant = trees.tenant AND entries.tree = trees.pk AND NOT folder) AS found ON true
     ORDER BY tenants.pk";

/// A tenant whose contexts are being counted.
struct Tenant {
    key: i64,
    stored: TenantUsage,
    found: TenantUsage,
}

impl Snapshot {
    /// Compares the counts of tenants and trees with the rows that they count.
    pub(super) async fn counts(&mut self) -> Result<Vec<Damage>, Failure> {
        let mut damage = Vec::new();
        let mut current: Option<Tenant> = None;
        self.open_cursor(COUNTS).await?;
        loop {
            let rows = self.fetch(BATCH).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let key: i64 = row.try_get(0)?;
                if current.as_ref().is_none_or(|tenant| tenant.key != key) {
                    let next = Tenant {
                        key,
                        stored: TenantUsage {
                            contexts: row.try_get(1)?,
                            files: row.try_get(2)?,
                            bytes: row.try_get(3)?,
                        },
                        found: TenantUsage {
                            contexts: 0,
                            files: 0,
                            bytes: 0,
                        },
                    };
                    compare_tenant(current.replace(next), &mut damage);
                }
                let Some(context) = row.try_get::<_, Option<String>>(4)? else {
                    continue;
                };
                let Some(tenant) = &mut current else {
                    continue;
                };
                tenant.found.contexts += 1;
                let Some(tree) = row.try_get(5)? else {
                    continue;
                };
                let usage = |files, bytes| {
                    Ok::<_, Failure>(CountedUsage {
                        files: row.try_get(files)?,
                        bytes: row.try_get(bytes)?,
                    })
                };
                let (stored, found) = (usage(6, 7)?, usage(8, 9)?);
                tenant.found.files += found.files;
                tenant.found.bytes = tenant.found.bytes.saturating_add(found.bytes);
                if stored != found {
                    let repair = Repair::Tree {
                        tenant: tenant.key,
                        tree,
                    };
                    let problem = ProblemKind::ContextUsage(WrongUsage { stored, found });
                    damage.push(Damage::new(problem.at(Some(context), None), repair));
                }
            }
        }
        compare_tenant(current, &mut damage);
        Ok(damage)
    }
}

/// Reports the wrong counts of a tenant. They are repaired after those of its trees.
fn compare_tenant(tenant: Option<Tenant>, damage: &mut Vec<Damage>) {
    let Some(Tenant { key, stored, found }) = tenant else {
        return;
    };
    let repair = Repair::Tenant { tenant: key };
    if stored.contexts != found.contexts {
        let (stored, found) = (stored.contexts, found.contexts);
        let problem = ProblemKind::ContextCount(WrongCount { stored, found });
        damage.push(Damage::new(problem, repair.clone()));
    }
    let usage = |usage: TenantUsage| CountedUsage {
        files: usage.files,
        bytes: usage.bytes,
    };
    let (stored, found) = (usage(stored), usage(found));
    if stored != found {
        let problem = ProblemKind::TenantUsage(WrongUsage { stored, found });
        damage.push(Damage::new(problem, repair));
    }
}
