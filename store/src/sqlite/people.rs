//! The tables of people: users, logins and links.

use domain::people::{LocalUser, LoginLink, People, PeopleWrite, UserLogin};
use rusqlite::{Connection, Row, params};

use super::column::{from_micros, json, micros, opt, parsed, unword, word};
use crate::Result;

/// Writes or deletes one row.
pub(super) fn write(connection: &Connection, write: &PeopleWrite) -> Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        connection
            .prepare_cached(sql)?
            .execute(values)
            .map_err(crate::StoreError::from)
    };
    match write {
        PeopleWrite::User(user) => {
            let locations = user.locations.as_ref().map(serde_json::to_string);
            let shops = user.shops.as_ref().map(serde_json::to_string);
            run(
                "INSERT OR REPLACE INTO local_user (id, name, role, locations, shops, language, \
                 disabled, password, created_at, last_seen_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    user.id.as_str(),
                    user.name,
                    word(&user.role)?,
                    locations.transpose()?,
                    shops.transpose()?,
                    user.language,
                    user.disabled,
                    user.password,
                    micros(user.created_at),
                    user.last_seen_at.map(micros)
                ],
            )?;
        }
        PeopleWrite::Login(login) => {
            run(
                "INSERT OR REPLACE INTO user_login (id, hash, user, started_at, seen_at, user_agent) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    login.id,
                    login.hash,
                    login.user.as_str(),
                    micros(login.started_at),
                    micros(login.seen_at),
                    login.user_agent
                ],
            )?;
        }
        PeopleWrite::EndLogin(id) => {
            run("DELETE FROM user_login WHERE id = ?1", params![id])?;
        }
        PeopleWrite::Link(link) => {
            run(
                "INSERT OR REPLACE INTO login_link (user, hash, until) VALUES (?1, ?2, ?3)",
                params![link.user.as_str(), link.hash, micros(link.until)],
            )?;
        }
        PeopleWrite::EndLink(user) => {
            run(
                "DELETE FROM login_link WHERE user = ?1",
                params![user.as_str()],
            )?;
        }
    }
    Ok(())
}

/// Everything that is kept of people.
pub(super) fn read(connection: &Connection) -> Result<People> {
    Ok(People {
        users: rows(
            connection,
            "SELECT id, name, role, locations, shops, language, disabled, password, created_at, \
             last_seen_at FROM local_user",
            user,
        )?,
        logins: rows(
            connection,
            "SELECT id, hash, user, started_at, seen_at, user_agent FROM user_login",
            login,
        )?,
        links: rows(
            connection,
            "SELECT user, hash, until FROM login_link",
            |row| {
                Ok(LoginLink {
                    user: parsed(row, 0)?,
                    hash: row.get(1)?,
                    until: from_micros(row, 2)?,
                })
            },
        )?,
    })
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn user(row: &Row<'_>) -> rusqlite::Result<LocalUser> {
    Ok(LocalUser {
        id: parsed(row, 0)?,
        name: row.get(1)?,
        role: unword(row, 2)?,
        locations: opt(row, 3, json)?,
        shops: opt(row, 4, json)?,
        language: row.get(5)?,
        disabled: row.get(6)?,
        password: row.get(7)?,
        created_at: from_micros(row, 8)?,
        last_seen_at: opt(row, 9, from_micros)?,
    })
}

fn login(row: &Row<'_>) -> rusqlite::Result<UserLogin> {
    Ok(UserLogin {
        id: row.get(0)?,
        hash: row.get(1)?,
        user: parsed(row, 2)?,
        started_at: from_micros(row, 3)?,
        seen_at: from_micros(row, 4)?,
        user_agent: row.get(5)?,
    })
}
