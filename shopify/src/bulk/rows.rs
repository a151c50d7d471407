//! A result, read as a stream and told in our words.
//!
//! Rows come in any order, children before their parents too. Most need no joining, because the documents have
//! every row name what it belongs to: a level its item and location, a variant its product. Those are told as they
//! come and nothing is kept of them. Only an order is not whole without the lines that follow or precede it anywhere,
//! and nothing says how many there are; so orders are held until the file has ended. A file too large for that is
//! read several times, each time for another share of the orders by their ids.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri};
use schemas::{Change, OrderId};
use serde::Deserialize;

use super::error::BulkError;
use super::line::LineReader;
use super::order::{OrderJoiner, passes};
use super::{BulkQuery, BulkResult};
use crate::answer::{
    CustomerNode, ItemNode, LineNode, LocatedLevel, OrderNode, OwnedVariant, ProductNode,
};
use crate::client::Client;
use crate::error::Error;
use crate::transport::Transport;

/// Statements told together, about: whoever writes them waits for the disk once for all of them.
const TOLD_TOGETHER: usize = 2_000;

/// A result under way. Only when it has ended without an error was it whole.
pub struct BulkRows {
    query: BulkQuery,
    url: Option<Uri>,
    expected: u64,
    transport: Arc<dyn Transport>,
    pass: u64,
    passes: u64,
    stage: FileStage,
    orders: OrderJoiner,
    told: Vec<Change>,
}

enum FileStage {
    /// The next pass over the file has not begun.
    Begin,
    Lines(LineReader),
    /// The file has ended; the orders held are told.
    Orders,
    End,
}

/// What tells a row's kind and place.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineHead<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "__parentId")]
    parent: Option<Cow<'a, str>>,
}

impl Client {
    /// Reads the result of a completed operation, which must be one of `query`. Nothing is fetched before the first
    /// [`BulkRows::next`].
    ///
    /// The address is another host's, so it gets no token, redirects are not followed, and it must be HTTPS. Where
    /// the shop's `api_url` is plain HTTP on this machine, it may be that as well.
    ///
    /// # Errors
    /// [`BulkError::Address`], or [`BulkError::Uncounted`] when there is no file and there should be rows.
    pub fn bulk_rows(&self, query: BulkQuery, result: &BulkResult) -> Result<BulkRows, Error> {
        let BulkResult {
            url,
            lines: expected,
            bytes,
        } = result.clone();
        if url.is_none() && expected > 0 {
            return Err(BulkError::Uncounted { found: 0, expected }.into());
        }
        let safe = |url: &Uri| {
            url.scheme_str() == Some("https")
                || is_on_this_machine(url) && is_on_this_machine(self.address())
        };
        if !url.iter().all(safe) {
            return Err(BulkError::Address.into());
        }
        let passes = if query.is_joined() { passes(bytes) } else { 1 };
        let stage = if url.is_some() {
            FileStage::Begin
        } else {
            FileStage::End
        };
        let (transport, orders) = (self.transport(), OrderJoiner::default());
        Ok(BulkRows {
            query,
            url,
            expected,
            transport,
            pass: 0,
            passes,
            stage,
            orders,
            told: Vec::new(),
        })
    }
}

impl BulkRows {
    /// The next statements, some hundred at a time; `None` when all were told and the file was whole. Nothing is lost
    /// when the future is dropped.
    ///
    /// # Errors
    /// When the file does not come, is cut, or has not as many lines as Shopify counted. It is over then: what was
    /// told is true, but says nothing about what is missing.
    pub async fn next(&mut self) -> Result<Option<Vec<Change>>, Error> {
        let end = self.fill().await;
        if end.is_err() {
            self.stage = FileStage::End;
            self.told.clear();
        }
        end?;
        if !self.query.is_named() {
            // The operation may have been begun when names were wanted.
            for change in &mut self.told {
                if let Change::Customer(customer) = change {
                    customer.name = None;
                }
            }
        }
        Ok(if self.told.is_empty() {
            None
        } else {
            Some(std::mem::take(&mut self.told))
        })
    }

    async fn fill(&mut self) -> Result<(), Error> {
        while self.told.len() < TOLD_TOGETHER {
            match &mut self.stage {
                FileStage::Begin => {
                    let url = self.url.clone().unwrap_or_default();
                    self.stage = FileStage::Lines(open(&*self.transport, url).await?);
                }
                FileStage::Lines(lines) => {
                    let line = lines.next().await?;
                    let count = lines.count;
                    if let Some(line) = line {
                        self.row(count, &line)?;
                    } else {
                        self.count(count, count < self.expected)?;
                        self.orders.check()?;
                        self.stage = FileStage::Orders;
                    }
                }
                FileStage::Orders => {
                    if let Some(changes) = self.orders.pop() {
                        self.told.extend(changes);
                    } else {
                        self.orders = OrderJoiner::default();
                        self.pass += 1;
                        self.stage = if self.pass < self.passes {
                            FileStage::Begin
                        } else {
                            FileStage::End
                        };
                    }
                }
                FileStage::End => break,
            }
        }
        Ok(())
    }

    fn count(&self, found: u64, wrong: bool) -> Result<(), BulkError> {
        if wrong {
            Err(BulkError::Uncounted {
                found,
                expected: self.expected,
            })
        } else {
            Ok(())
        }
    }

    fn row(&mut self, number: u64, line: &Bytes) -> Result<(), Error> {
        self.count(number, number > self.expected)?;
        let LineHead { id, parent } = read(number, line)?;
        let is = |kind: &str| {
            id.strip_prefix("gid://shopify/")
                .is_some_and(|id| id.starts_with(kind))
        };
        match self.query {
            BulkQuery::Customers | BulkQuery::CustomersNamed if is("Customer/") => {
                self.told.push(read::<CustomerNode>(number, line)?.change());
            }
            BulkQuery::Levels if is("InventoryItem/") => {
                self.told.push(read::<ItemNode>(number, line)?.change());
            }
            BulkQuery::Levels if is("InventoryLevel/") => {
                self.told.push(read::<LocatedLevel>(number, line)?.change());
            }
            _ if self.query.is_joined() && is("Order/") => {
                let order = read_id(number, "id", Some(&id))?;
                if self.is_of_this_pass(order) {
                    self.orders
                        .order(order, read::<OrderNode>(number, line)?, line.len())?;
                }
            }
            _ if self.query.is_joined() && is("LineItem/") => {
                let order = read_id(number, "__parentId", parent.as_deref())?;
                if self.is_of_this_pass(order) {
                    self.orders
                        .line(order, read::<LineNode>(number, line)?, line.len())?;
                }
            }
            BulkQuery::Products if is("Product/") => {
                self.told
                    .push(read::<ProductNode>(number, line)?.change(None));
            }
            BulkQuery::Products if is("ProductVariant/") => {
                self.told
                    .extend(read::<OwnedVariant>(number, line)?.changes());
            }
            _ => {
                return Err(BulkError::Shape {
                    line: number,
                    path: "id".to_owned(),
                }
                .into());
            }
        }
        Ok(())
    }

    fn is_of_this_pass(&self, order: OrderId) -> bool {
        // Shopify's ids go by steps of powers of two, so that a remainder alone would not spread them.
        let spread = order
            .to_i64()
            .cast_unsigned()
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            >> 32;
        spread % self.passes == self.pass
    }
}

async fn open(transport: &dyn Transport, url: Uri) -> Result<LineReader, Error> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url;
    let response = transport.open(request).await?;
    match response.status().as_u16() {
        200 => Ok(LineReader::new(response.into_body())),
        status => Err(BulkError::Status(status).into()),
    }
}

/// Plain HTTP that does not leave this machine.
fn is_on_this_machine(address: &Uri) -> bool {
    let host = address
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let loopback = host
        .parse()
        .is_ok_and(|host: std::net::IpAddr| host.is_loopback());
    address.scheme_str() == Some("http") && (loopback || host == "localhost")
}

fn read<'a, T: Deserialize<'a>>(number: u64, line: &'a [u8]) -> Result<T, BulkError> {
    // Looking out for the place of an error costs time, so that is done when there is one.
    let located =
        || serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(line));
    serde_json::from_slice(line).or_else(|_| located()).map_err(
        |error: serde_path_to_error::Error<_>| {
            // A path to a syntax error, and serde's own words, might repeat what is in the line.
            if error.inner().is_data() {
                BulkError::Shape {
                    line: number,
                    path: error.path().to_string(),
                }
            } else {
                BulkError::Cut { line: number }
            }
        },
    )
}

fn read_id<T: std::str::FromStr>(line: u64, field: &str, id: Option<&str>) -> Result<T, BulkError> {
    id.and_then(|id| id.parse().ok())
        .ok_or_else(|| BulkError::Shape {
            line,
            path: field.to_owned(),
        })
}

#[cfg(test)]
mod tests;
