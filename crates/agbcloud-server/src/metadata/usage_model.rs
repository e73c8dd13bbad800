//! A model of the usage of tenants, which every store has to equal after random operations.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Conditions, Content, ContextState, FileKey, Metadata, NewFile, Quotas, StoreError, Usage,
};
use crate::checksums::Hasher;
use crate::names::FilePath;
use crate::signing::Tenant;
use crate::system::clock::Micros;

/// One operation on one of the contexts of one of the tenants.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Stores a file of this size. The last number selects a quota.
    Put(u8, u16, u8),
    Delete(u8),
    Clear,
    DeleteContext,
    Collect,
}

/// Operations with the numbers of a tenant and of a context.
pub(crate) fn operations() -> impl Strategy<Value = Vec<(u8, u8, Operation)>> {
    let operation = prop_oneof![
        8 => (0_u8..6, 0_u16..3000, 0_u8..6).prop_map(|(file, size, quota)| Operation::Put(file, size, quota)),
        3 => (0_u8..6).prop_map(Operation::Delete),
        1 => Just(Operation::Clear),
        1 => Just(Operation::DeleteContext),
        1 => Just(Operation::Collect),
    ];
    prop::collection::vec((0_u8..2, 0_u8..3, operation), 1..60)
}

/// The sizes of the files of each context of each tenant.
type Model = BTreeMap<(u8, u8), BTreeMap<u8, u64>>;

/// Runs the operations, and compares the usage with the model after each of them.
pub(crate) async fn check_usage(store: &dyn Metadata, operations: &[(u8, u8, Operation)]) {
    let mut model = Model::new();
    for (number, (tenant, context, operation)) in (1_i64..).zip(operations) {
        let at = (*tenant, *context);
        let names = (self::tenant(at.0), format!("context-{}", at.1));
        let now = Micros(number);
        let found = store
            .create_context(&names.0, "region", &names.1, now)
            .await
            .unwrap();
        let files = model.entry(at).or_default();
        match operation {
            Operation::Put(file, size, quota) => {
                let replaced = files.get(file).copied();
                let (of_tenant, of_context) = (
                    usage(&model, Some(at.0), None),
                    usage(&model, Some(at.0), Some(at.1)),
                );
                let quotas = quotas(*quota);
                let allowed = quotas.check(of_tenant, of_context, u64::from(*size), replaced);
                let key = FileKey {
                    tenant: names.0.clone(),
                    context: found.id.clone(),
                    generation: found.generation,
                    path: path(*file),
                };
                let prepared = store.prepare_upload(&key, u64::from(*size), &quotas).await;
                let conditions = Conditions::default();
                let put = store
                    .put_file(&key, new_file(*size), conditions, &quotas, now)
                    .await;
                if found.state == ContextState::Clearing {
                    assert_eq!(put, Err(StoreError::Stale));
                } else if let Err(quota) = allowed {
                    assert_eq!(prepared.err(), Some(StoreError::QuotaExceeded(quota)));
                    assert_eq!(put, Err(StoreError::QuotaExceeded(quota)));
                } else {
                    let prepared = prepared.unwrap();
                    assert_eq!(prepared.replaced.map(|file| file.size), replaced);
                    if quotas.limit_tenant() {
                        assert_eq!(prepared.tenant, of_tenant);
                    }
                    if quotas.limit_context() {
                        assert_eq!(prepared.context, of_context);
                    }
                    assert_eq!(put, Ok(replaced.is_some()));
                    model.entry(at).or_default().insert(*file, u64::from(*size));
                }
            }
            Operation::Delete(file) => {
                let deleted = store
                    .delete_file(&names.0, &found.id, &path(*file), now)
                    .await;
                assert_eq!(deleted.is_ok(), files.remove(file).is_some());
            }
            Operation::Clear => {
                store.clear_context(&names.0, &found.id, now).await.unwrap();
                files.clear();
            }
            Operation::DeleteContext => {
                store.delete_context(&names.0, &found.id).await.unwrap();
                model.remove(&at);
            }
            Operation::Collect => {
                while store.collect_files().await.unwrap() {}
                for clear in store.finished_clears().await.unwrap() {
                    store.finish_clear(&clear).await.unwrap();
                }
            }
        }
        for tenant in 0..2 {
            let found = store.usage(&self::tenant(tenant)).await;
            assert_eq!(
                found,
                Ok(usage(&model, Some(tenant), None)),
                "{operation:?}"
            );
        }
    }
    assert_eq!(
        store.usage(&Tenant::from("unknown")).await,
        Ok(Usage::default())
    );
}

/// The usage of all files in the model, of one tenant, or of one context.
fn usage(model: &Model, tenant: Option<u8>, context: Option<u8>) -> Usage {
    let is_counted = |at: &(u8, u8)| {
        tenant.is_none_or(|tenant| tenant == at.0) && context.is_none_or(|context| context == at.1)
    };
    let sizes = model
        .iter()
        .filter(|(at, _)| is_counted(at))
        .flat_map(|(_, files)| files.values());
    sizes.fold(Usage::default(), |usage, size| Usage {
        files: usage.files + 1,
        bytes: usage.bytes + size,
    })
}

fn quotas(number: u8) -> Quotas {
    let mut quotas = Quotas::default();
    match number {
        0 => quotas.tenant_bytes = Some(6000),
        1 => quotas.tenant_files = Some(5),
        2 => quotas.context_bytes = Some(3000),
        3 => quotas.context_files = Some(2),
        _ => {}
    }
    quotas
}

fn tenant(number: u8) -> Tenant {
    Tenant::from(format!("tenant-{number}").as_str())
}

fn path(number: u8) -> FilePath {
    FilePath::parse(&format!("/folder-{}/{number}", number % 2)).unwrap()
}

fn new_file(size: u16) -> NewFile {
    let bytes = vec![7; usize::from(size)];
    let mut hasher = Hasher::new();
    hasher.update(&bytes);
    NewFile {
        checksums: hasher.finish(),
        content: Content::Inline(Bytes::from(bytes)),
        blocks: None,
    }
}
