//! Bindings of phones (SIG-4).

use rusqlite::{Connection, Row, params};

use crate::store::bindings::{Kept, KeptBinding};

/// Every row, but those that cannot be read.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Kept>> {
    let mut select = connection.prepare(
        "SELECT aor, contact, path, call_id, sequence, expires_ms, instance, reg_id, listener, \
         source FROM binding ORDER BY aor, rowid",
    )?;
    let mut rows = select.query([])?;
    let mut all: Vec<Kept> = Vec::new();
    let mut unreadable = 0_u32;
    while let Some(row) = rows.next()? {
        let Ok((aor, binding)) = aor_and_binding(row) else {
            unreadable += 1;
            continue;
        };
        match all.last_mut().filter(|last| last.aor == aor) {
            Some(last) => last.bindings.push(binding),
            None => all.push(Kept {
                aor,
                bindings: vec![binding],
            }),
        }
    }
    if unreadable > 0 {
        tracing::error!("{unreadable} registrations in the store are damaged, and left out");
    }
    Ok(all)
}

fn aor_and_binding(row: &Row<'_>) -> rusqlite::Result<(String, KeptBinding)> {
    Ok((row.get(0)?, binding(row)?))
}

pub(super) fn replace(connection: &Connection, changes: &[Kept]) -> rusqlite::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut delete = connection.prepare_cached("DELETE FROM binding WHERE aor = ?1")?;
    let mut insert = connection
        .prepare_cached("INSERT INTO binding VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    for change in changes {
        delete.execute([&change.aor])?;
        for binding in &change.bindings {
            insert.execute(params![
                change.aor,
                binding.contact,
                binding.path.join(&b'\n'),
                binding.call_id,
                binding.sequence,
                binding.expires_ms,
                binding.instance.as_ref().map(|(instance, _)| instance),
                binding.instance.as_ref().map(|(_, reg_id)| reg_id),
                binding.source.as_ref().map(|(listener, _)| listener),
                binding
                    .source
                    .as_ref()
                    .map(|(_, source)| source.to_string()),
            ])?;
        }
    }
    Ok(())
}

fn binding(row: &Row<'_>) -> rusqlite::Result<KeptBinding> {
    let path: Vec<u8> = row.get(2)?;
    let hops = path
        .split(|byte| *byte == b'\n')
        .filter(|hop| !hop.is_empty());
    let instance: Option<String> = row.get(6)?;
    let reg_id: Option<u32> = row.get(7)?;
    let listener: Option<String> = row.get(8)?;
    let source: Option<String> = row.get(9)?;
    let source = source.and_then(|source| source.parse().ok());
    Ok(KeptBinding {
        contact: row.get(1)?,
        path: hops.map(<[u8]>::to_vec).collect(),
        call_id: row.get(3)?,
        sequence: row.get(4)?,
        expires_ms: row.get(5)?,
        instance: instance.zip(reg_id),
        source: listener.zip(source),
    })
}
