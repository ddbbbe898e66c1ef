//! The values of statements: keys, heads and rows, in the order of the statements' text.

use hubbub_tables::{Key, Part, Record, Stored, Table};
use scylla::serialize::{
    SerializationError,
    row::{RowSerializationContext, SerializeRow},
    writers::{CellOverflowError, CellWriter, RowWriter, WrittenCellProof},
};

use super::encode::{write_list, write_record};

/// A head with its partition, for an `INSERT`.
pub(super) struct HeadValues<'a, T: Table> {
    pub(super) partition: &'a T::Partition,
    pub(super) head: &'a Stored<T::Head>,
}

/// A row with its keys, for an `INSERT`.
pub(super) struct RowValues<'a, T: Table> {
    pub(super) partition: &'a T::Partition,
    pub(super) clustering: &'a T::Clustering,
    pub(super) row: &'a Stored<T::Row>,
}

/// One of them: the statements of a batch differ in kind.
pub(super) enum Values<'a, T: Table> {
    Head(HeadValues<'a, T>),
    Row(RowValues<'a, T>),
}

/// The key of a partition.
pub(super) struct PartitionKey<'a, K>(pub(super) &'a K);

/// The keys of a row.
pub(super) struct RowKey<'a, P, C>(pub(super) &'a P, pub(super) &'a C);

/// Keys of one column each, for `IN ?`.
pub(super) struct AnyOf<'a, K>(pub(super) &'a [K]);

/// Where a scan begins: a partition, behind a row, and at most so many rows.
pub(super) struct ScanFrom<'a, P, C> {
    pub(super) partition: &'a P,
    pub(super) after: Option<&'a C>,
    pub(super) limit: i32,
}

/// Where a listing of partitions begins: behind one, and at most so many.
pub(super) struct PartitionsFrom<'a, K> {
    pub(super) after: Option<&'a K>,
    pub(super) limit: i32,
}

impl<T: Table> SerializeRow for HeadValues<'_, T> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        write_key(self.partition, writer)?;
        write_stored(self.head, writer)
    }

    fn is_empty(&self) -> bool {
        false
    }
}

impl<T: Table> SerializeRow for RowValues<'_, T> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        write_key(self.partition, writer)?;
        write_key(self.clustering, writer)?;
        write_stored(self.row, writer)
    }

    fn is_empty(&self) -> bool {
        false
    }
}

impl<T: Table> SerializeRow for Values<'_, T> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        match self {
            Self::Head(head) => SerializeRow::serialize(head, context, writer),
            Self::Row(row) => SerializeRow::serialize(row, context, writer),
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

impl<K: Key> SerializeRow for PartitionKey<'_, K> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        write_key(self.0, writer)
    }

    fn is_empty(&self) -> bool {
        false
    }
}

impl<P: Key, C: Key> SerializeRow for RowKey<'_, P, C> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        write_key(self.0, writer)?;
        write_key(self.1, writer)
    }

    fn is_empty(&self) -> bool {
        false
    }
}

impl<K: Key> SerializeRow for AnyOf<'_, K> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        let mut elements = Vec::new();
        let mut cells = RowWriter::new(&mut elements);
        self.0.iter().try_for_each(|key| write_key(key, &mut cells))?;
        let count = i32::try_from(self.0.len()).map_err(SerializationError::new)?;
        write_list(writer, count, &elements).map_err(too_large)
    }

    fn is_empty(&self) -> bool {
        false
    }
}

impl<K: Key> SerializeRow for PartitionsFrom<'_, K> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        if let Some(after) = self.after {
            write_key(after, writer)?;
        }
        write_limit(self.limit, writer)
    }

    fn is_empty(&self) -> bool {
        false
    }
}

impl<P: Key, C: Key> SerializeRow for ScanFrom<'_, P, C> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        write_key(self.partition, writer)?;
        if let Some(after) = self.after {
            write_key(after, writer)?;
        }
        write_limit(self.limit, writer)
    }

    fn is_empty(&self) -> bool {
        false
    }
}

fn write_limit(limit: i32, writer: &mut RowWriter) -> Result<(), SerializationError> {
    writer.make_cell_writer().set_value(&limit.to_be_bytes()).map_err(too_large)?;
    Ok(())
}

fn too_large(error: CellOverflowError) -> SerializationError {
    SerializationError::new(error)
}

fn write_key(key: &impl Key, writer: &mut RowWriter) -> Result<(), SerializationError> {
    for part in key.parts() {
        write_part(&part, writer.make_cell_writer()).map_err(too_large)?;
    }
    Ok(())
}

fn write_part<'b>(
    part: &Part<'_>,
    cell: CellWriter<'b>,
) -> Result<WrittenCellProof<'b>, CellOverflowError> {
    match part {
        Part::Text(text) => cell.set_value(text.as_bytes()),
        Part::Int(number) => cell.set_value(&number.to_be_bytes()),
        Part::BigInt(number) => cell.set_value(&number.to_be_bytes()),
        Part::Timestamp(time) => cell.set_value(&time.0.to_be_bytes()),
    }
}

/// The position, the record's columns, and the write's timestamp.
fn write_stored<R: Record>(
    stored: &Stored<R>,
    writer: &mut RowWriter,
) -> Result<(), SerializationError> {
    let stamp = stored.stamp.0.to_be_bytes();
    writer.make_cell_writer().set_value(&stamp).map_err(too_large)?;
    write_record(&stored.record, writer).map_err(SerializationError::new)?;
    writer.make_cell_writer().set_value(&stamp).map_err(too_large)?;
    Ok(())
}
