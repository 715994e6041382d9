//! Whole steps of a network with one hidden layer: each is one phase, whose tasks are the columns of that layer, and the next one
//! begins as soon as they are done.

use crate::behind::Behind;
use crate::clock::{Clock, Laps, StepPart};
use crate::column::Columns;
use crate::deltas::{Deltas, Of};
use crate::layer::{Part, Task};
use crate::own::Own;
use crate::progress::Rates;
use crate::step::{Done, Run};
use crate::top::{self, Top};
use crate::workspace::{Batches, Hidden, Losses, Workspace};
use kernels::{At, Isa, PANEL_COLS, Panel, Steps};

/// What all these steps have in common.
struct Whole<'a> {
    isa: Isa,
    laps: Option<&'a Laps>,
    batches: Batches<'a>,
    rates: Rates,
    /// What stands behind the hidden layer's product.
    behind: &'a Behind,
}

/// Of a column: its parts, its outputs for two batches, and its weights in the output layer.
type Column<'p> = ((&'p mut [Part], (&'p mut [Panel], &'p mut [Panel])), &'p mut [Part]);

impl<'a> Whole<'a> {
    /// The output layer of a step, given the shares of its logits.
    fn top<'s>(&'s self, step: usize, shares: &'s [Panel]) -> Top<'s> {
        let Whole { isa, laps, batches, rates, behind } = *self;
        let batch = batches.at(step);
        let task = Task::Update(rates.step(batch.step));
        let (labels, loss, clock) =
            (batches.labels, batches.loss(batch), Clock::of(laps, batch.step));
        Top { isa, clock, shares, behind, batch, labels, loss, task }
    }
}

impl<'a> Steps for Whole<'a> {
    type Own = Own;
    type Items = Column<'a>;
    /// Shares of the logits, as outputs are: column after column, of each one block after block of the rows.
    type Turn = Panel;

    /// A column of the hidden layer, from its outputs for this batch to those for the next.
    fn task<'p>(
        &self,
        own: &mut Own,
        At { step, last, .. }: At,
        ((parts, (even, odd)), above): Column<'p>,
        (shares, to): (&[Panel], &mut [Panel]),
    ) where
        Self::Items: 'p,
    {
        let Whole { isa, batches, behind, .. } = *self;
        let (next, after) = (batches.at(step + 1), batches.at(step + 2));
        let top = self.top(step, shares);
        let Top { clock, batch, task, .. } = top;
        let (h, out) = if batch.at == 0 { (even, odd) } else { (odd, even) };
        let Own { head, fetched, gradients } = own;
        let gradients = &mut gradients[usize::from(parts[0].owned.w.cols() < PANEL_COLS)];
        top.pass(head, h, &mut above[0], gradients);
        let deltas = Deltas { batch, of: Of::Column(gradients) };
        let column = Columns { isa, clock, next, after, last, deltas, task, behind };
        column.pass(fetched, parts, out);
        if !next.order.is_empty() {
            let mut watch = clock.start();
            for (b, (out, to)) in out.iter().zip(to).enumerate() {
                top::share(isa, above.first(), next.rows(b), out, Some(to));
            }
            watch.lap(StepPart::Output);
        }
    }

    /// Inputs of the batch after the next one: those of this step are not needed any more.
    fn then(&self, own: &mut Own, step: usize) {
        let (batch, after) = (self.batches.at(step), self.batches.at(step + 2));
        if !after.order.is_empty() {
            let mut watch = Clock::of(self.laps, batch.step).start();
            own.fetched.blocks(self.isa, after);
            watch.lap(StepPart::Fetch);
        }
    }
}

impl Run<'_> {
    /// Takes whole steps until `done` breaks.
    pub(crate) fn whole(&mut self, done: Done<'_>) {
        let Run { isa, laps, batches, rates, .. } = *self;
        let Workspace { hidden, owns, shares, .. } = &mut *self.workspace;
        let ([first, layer], [hidden], Some([even, odd])) =
            (&mut *self.layers, &mut hidden[..], shares)
        else {
            unreachable!("an output layer above one hidden layer")
        };
        let (columns, Hidden { h: [h_even, h_odd], behind, .. }) = (first.columns(), hidden);
        let steps = Whole { isa, laps, batches, rates, behind };
        let outputs = (&mut h_even[..], &mut h_odd[..]);
        let items = ((&mut first.parts[..], outputs), &mut layer.parts[..]);
        let turns = if batches.at(0).at == 0 { [even, odd] } else { [odd, even] };
        let turns = turns.map(|shares| &mut shares[..]);
        self.team.for_each_step(&steps, owns, (columns, items), turns, |own, step, shares| {
            let top = steps.top(step, shares);
            done(Losses { batch: top.batch, blocks: top.blocks(&mut own.head) })
        });
    }
}
