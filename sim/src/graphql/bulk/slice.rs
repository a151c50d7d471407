//! A slice of a bulk operation's result: some of the outermost objects and all that hangs on them, as lines.

use jiff::Timestamp;

use super::inner::{Inner, nodes};
use crate::graphql::access;
use crate::graphql::connection::{ConnectionCursor, ConnectionPage, ConnectionReading};
use crate::graphql::execute::{Deferred, alone};
use crate::graphql::object::{FieldRequest, Object, Resolved, resolve};
use crate::graphql::plan::{Planned, Selection};
use crate::graphql::problem::QueryProblem;
use crate::store::SimStore;

/// How far an operation has got.
#[derive(Default)]
pub(crate) struct SlicePosition {
    /// The outermost connection that is being read; past the last, nothing is left.
    root: usize,
    after: Option<ConnectionCursor>,
    finished: bool,
}

impl SlicePosition {
    pub(crate) fn finished(&self) -> bool {
        self.finished
    }
}

impl Inner {
    /// Reads the next `size` outermost objects as they are now, each followed by its children, and hands on each as a
    /// line: its text, and whether it is outermost.
    pub(crate) fn slice(
        &self,
        store: &SimStore,
        position: &mut SlicePosition,
        size: usize,
        now: Timestamp,
        line: &mut dyn FnMut(String, bool) -> Result<(), QueryProblem>,
    ) -> Result<(), QueryProblem> {
        let mut reader = SliceReader { store, now, line };
        let mut rest = None;
        if let Some(way) = self.roots.get(position.root) {
            let reading = ConnectionReading::Slice {
                after: position.after,
                size,
            };
            rest = reader.root(&self.selection, way, reading)?;
        }
        position.after = rest;
        position.root += usize::from(rest.is_none());
        position.finished = position.root >= self.roots.len();
        Ok(())
    }
}

struct SliceReader<'a, 'l> {
    store: &'a SimStore,
    now: Timestamp,
    line: &'l mut dyn FnMut(String, bool) -> Result<(), QueryProblem>,
}

impl<'a> SliceReader<'a, '_> {
    /// Follows the way to an outermost connection and reads on there; says where it goes on, if it does.
    fn root(
        &mut self,
        mut selection: &Selection,
        way: &[usize],
        reading: ConnectionReading,
    ) -> Result<Option<ConnectionCursor>, QueryProblem> {
        let mut object = Object::Query;
        for (step, number) in way.iter().enumerate() {
            let field = &selection.fields[*number];
            if step + 1 == way.len() {
                let page = self.page(&object, field, reading)?;
                self.records(&page, field, None)?;
                return Ok(page.rest());
            }
            let (Resolved::Object(found), Some(inside)) =
                (self.ask(&object, field, reading)?, field.of.first())
            else {
                break;
            };
            (object, selection) = (found, inside);
        }
        Ok(None)
    }

    /// Writes a line for each record and, after it, for what hangs on it.
    fn records(
        &mut self,
        page: &ConnectionPage<'a>,
        field: &Planned,
        parent: Option<&str>,
    ) -> Result<(), QueryProblem> {
        let Some(node) = nodes(field).next() else {
            return Ok(());
        };
        for (object, _) in page.records() {
            let (mut text, connections) = alone(self.store, object, node, self.now)?;
            if let Some(parent) = parent {
                text.pop();
                let comma = if text.ends_with('{') { "" } else { "," };
                text.extend([comma, "\"__parentId\":\"", parent, "\"}"]);
            }
            (self.line)(text, parent.is_none())?;
            self.children(object, node, connections)?;
        }
        Ok(())
    }

    fn children(
        &mut self,
        object: &Object<'a>,
        node: &Planned,
        connections: Vec<Deferred<'a, '_>>,
    ) -> Result<(), QueryProblem> {
        if connections.is_empty() {
            return Ok(());
        }
        let node_id = node
            .of
            .iter()
            .flat_map(|of| &of.fields)
            .find(|field| field.is_id());
        let node_id = match node_id
            .map(|id| self.ask(object, id, ConnectionReading::Page))
            .transpose()?
        {
            Some(Resolved::Text(id)) => Some(id.into_owned()),
            _ => None,
        };
        for Deferred { object, field, id } in connections {
            let nearest = id.filter(|_| self.store.switches.bulk_parent_nearest);
            let page = self.page(&object, field, ConnectionReading::Whole)?;
            let parent = nearest.as_deref().or(node_id.as_deref());
            self.records(&page, field, Some(parent.unwrap_or_default()))?;
        }
        Ok(())
    }

    fn page(
        &self,
        object: &Object<'a>,
        field: &Planned,
        reading: ConnectionReading,
    ) -> Result<std::rc::Rc<ConnectionPage<'a>>, QueryProblem> {
        match self.ask(object, field, reading)? {
            Resolved::Object(Object::Page(page)) => Ok(page),
            _ => Err(QueryProblem::new(
                "INTERNAL_SERVER_ERROR",
                format!("'{}' is no connection", field.name),
            )),
        }
    }

    fn ask(
        &self,
        object: &Object<'a>,
        field: &Planned,
        reading: ConnectionReading,
    ) -> Result<Resolved<'a>, QueryProblem> {
        let mut searches = Vec::new();
        let mut asked = FieldRequest {
            field,
            searches: &mut searches,
            path: &[],
            reading,
            switches: &self.store.switches,
            now: self.now,
        };
        access::denied(&self.store.scopes, field)
            .map_or_else(|| resolve(self.store, object, &mut asked), Err)
    }
}
