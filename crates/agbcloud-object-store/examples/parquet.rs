//! Reads one column of a Parquet file by ranges, without the rest of the file.
//!
//! `cargo run -p agbcloud-object-store --example parquet`
//!
//! With the feature `arrow` of the crate `parquet`, `ParquetObjectReader` does the same for record batches. This program
//! shows which ranges are read.

use std::{error::Error, ops::Range, sync::Arc};

use agbcloud::Client;
use agbcloud_object_store::ContextStore;
use bytes::{Buf, Bytes, buf::Reader};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use parquet::{
    DecodeResult,
    column::reader::{get_column_reader, get_typed_column_reader},
    data_type::{ByteArray, ByteArrayType, Int64Type},
    errors::Result as ParquetResult,
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder},
        reader::{ChunkReader, Length},
        serialized_reader::SerializedPageReader,
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};

const ROW_GROUPS: i64 = 4;
const ROWS: i64 = 1000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = agbcloud_server::Server::builder().start().await?;
    let client = Client::builder()
        .api_key("any")
        .endpoint(service.url())
        .build()?;
    let context = client.contexts().get_or_create("my-project").await?;
    let store = ContextStore::new(client.contexts().files(&context.id));

    let path = Path::from("tables/users/part-0.parquet");
    store.put(&path, users()?.into()).await?;
    let size = store.head(&path).await?.size;

    let (metadata, metadata_bytes) = read_metadata(&store, &path, size).await?;
    let (ids, column_bytes) = read_ids(&store, &path, &metadata).await?;
    assert_eq!(ids, (0..ROW_GROUPS * ROWS).collect::<Vec<_>>());
    let read = metadata_bytes + column_bytes;
    assert!(read < size / 4);
    println!("read {} ids: {read} of {size} bytes", ids.len());
    service.shutdown().await;
    Ok(())
}

/// A table with ids and names, as a Parquet file.
fn users() -> Result<Vec<u8>, Box<dyn Error>> {
    let schema = "message users { required int64 id; required binary name (utf8); }";
    let schema = Arc::new(parse_message_type(schema)?);
    let mut file = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut file, schema, Default::default())?;
    for group in 0..ROW_GROUPS {
        let ids: Vec<i64> = (group * ROWS..(group + 1) * ROWS).collect();
        let name =
            |id: &i64| ByteArray::from(format!("user {id} {}", "x".repeat(100)).into_bytes());
        let names: Vec<ByteArray> = ids.iter().map(name).collect();
        let mut columns = writer.next_row_group()?;
        if let Some(mut column) = columns.next_column()? {
            column.typed::<Int64Type>().write_batch(&ids, None, None)?;
            column.close()?;
        }
        if let Some(mut column) = columns.next_column()? {
            let names = column
                .typed::<ByteArrayType>()
                .write_batch(&names, None, None)?;
            assert_eq!(names, ids.len());
            column.close()?;
        }
        columns.close()?;
    }
    writer.close()?;
    Ok(file)
}

/// Reads the end of the file, then the metadata before it.
async fn read_metadata(
    store: &dyn ObjectStore,
    path: &Path,
    size: u64,
) -> Result<(ParquetMetaData, u64), Box<dyn Error>> {
    let decoder = ParquetMetaDataPushDecoder::try_new(size)?;
    let mut decoder = decoder.with_page_index_policy(PageIndexPolicy::Skip);
    let mut bytes = 0;
    loop {
        match decoder.try_decode()? {
            DecodeResult::NeedsData(ranges) => {
                println!("metadata: {ranges:?}");
                bytes += length(&ranges);
                let data = store.get_ranges(path, &ranges).await?;
                decoder.push_ranges(ranges, data)?;
            }
            DecodeResult::Data(metadata) => return Ok((metadata, bytes)),
            DecodeResult::Finished => return Err("the metadata was decoded already".into()),
        }
    }
}

/// Reads the first column of each row group.
async fn read_ids(
    store: &dyn ObjectStore,
    path: &Path,
    metadata: &ParquetMetaData,
) -> Result<(Vec<i64>, u64), Box<dyn Error>> {
    let groups = metadata.row_groups();
    let range = |(start, length): (u64, u64)| start..start + length;
    let ranges: Vec<Range<u64>> = groups
        .iter()
        .map(|group| range(group.column(0).byte_range()))
        .collect();
    println!("column: {ranges:?}");
    let chunks = store.get_ranges(path, &ranges).await?;

    let mut ids = Vec::new();
    for (group, (range, bytes)) in groups.iter().zip(ranges.iter().zip(chunks)) {
        let (column, rows) = (group.column(0), usize::try_from(group.num_rows())?);
        let chunk = Arc::new(Chunk {
            start: range.start,
            bytes,
        });
        let pages = SerializedPageReader::new(chunk, column, rows, None)?;
        let column = get_column_reader(column.column_descr_ptr(), Box::new(pages));
        let mut column = get_typed_column_reader::<Int64Type>(column);
        column.read_records(rows, None, None, &mut ids)?;
    }
    Ok((ids, length(&ranges)))
}

fn length(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// A part of a file, addressed by its position in the file.
struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Chunk {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let start = usize::try_from(start - self.start)?;
        Ok(self.bytes.slice(start..).reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let start = usize::try_from(start - self.start)?;
        Ok(self.bytes.slice(start..start + length))
    }
}
