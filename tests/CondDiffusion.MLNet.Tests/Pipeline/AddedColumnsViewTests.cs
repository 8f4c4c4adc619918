using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Pipeline;
using CondDiffusion.MLNet.Tests.Conformance;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Pipeline;

/// <summary>
/// Tests what adds computed columns to rows, with a column that holds twice the number of each row. A number that is
/// not one cannot be doubled.
/// </summary>
[TestClass]
public sealed class AddedColumnsViewTests
{
    /// <summary>A number that the source throws for.</summary>
    private const float Unreadable = -1;

    /// <summary>A number at which reading is cancelled.</summary>
    private const float Cancelled = -2;

    private static readonly MLContext Ml = new();

    private readonly Doubling _doubling = new();

    [TestMethod]
    public void View_ReadCompletely_ComputesEachBatchOnce()
    {
        var view = View([1, 2, 3, 4, 5, 6, 7]);
        var rows = ViewConformance.Read(view, _ => true); // both added columns
        Assert.AreSequenceEqual([2f, 4, 6, 8, 10, 12, 14], rows.Select(row => (float)row.Values[^1]!));
        Assert.AreSequenceEqual([3, 3, 1], _doubling.Batches);
    }

    [TestMethod]
    public void View_UntilAValueIsRead_ComputesNothing()
    {
        var view = View([1, 2, 3, 4, 5]);
        using var cursor = view.GetRowCursor(view.Schema);
        var getTwice = cursor.GetGetter<float>(view.Schema["Twice"]);
        var getNumber = cursor.GetGetter<float>(view.Schema["Number"]);

        var value = 0f;
        for (var i = 0; i < 4; i++)
        {
            Assert.IsTrue(cursor.MoveNext());
            getNumber(ref value);
        }

        Assert.IsEmpty(_doubling.Batches);

        getTwice(ref value);
        Assert.AreEqual(8, value);
        Assert.AreSequenceEqual([2], _doubling.Batches, "from the row that is read to the last one");
    }

    [TestMethod]
    public void Row_ThatCannotBeComputed_DoesNotAffectTheOthers()
    {
        var view = View([1, float.NaN, 3, float.NaN, float.NaN, float.NaN, 7]);
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<float>(view.Schema["Twice"]);

        var values = new List<float>();
        while (cursor.MoveNext())
        {
            var value = 0f;
            if (cursor.Position is 0 or 2 or 6)
            {
                getter(ref value);
                values.Add(value);
            }
            else
            {
                Throws.Saying<InvalidOperationException>(
                    () => getter(ref value), $"Row {cursor.Position} has no number.");
            }
        }

        Assert.AreSequenceEqual([2f, 6, 14], values);
        Assert.AreSequenceEqual([2, 1], _doubling.Batches);
    }

    /// <summary>The added columns share the values of a row: none may show those of the row before.</summary>
    [TestMethod]
    public void Row_ThatCannotBeComputed_HasNoValueInAnyAddedColumn()
    {
        var view = View([1, float.NaN]);
        using var cursor = view.GetRowCursor(view.Schema);
        var twice = cursor.GetGetter<float>(view.Schema["Twice"]);
        var again = cursor.GetGetter<float>(view.Schema["TwiceAgain"]);
        var value = 0f;

        Assert.IsTrue(cursor.MoveNext());
        twice(ref value);
        Assert.AreEqual(2, value);

        Assert.IsTrue(cursor.MoveNext());
        Throws.Saying<InvalidOperationException>(() => twice(ref value), "Row 1 has no number.");
        Throws.Saying<InvalidOperationException>(() => again(ref value), "Row 1 has no number.");
    }

    [TestMethod]
    public void Row_WithSeveralAddedColumns_IsReadAndCheckedOnce()
    {
        var view = View([1, 2, 3]);
        ViewConformance.Read(view, _ => true);
        Assert.AreEqual(3, _doubling.Checked);
    }

    [TestMethod]
    public void Source_ThatChangesWhenReadAgain_IsRefusedByRow()
    {
        var reads = 0;
        IEnumerable<Row> Rows()
        {
            yield return new() { Number = 1 };
            yield return new() { Number = reads++ };
        }

        var view = View(Ml.Data.LoadFromEnumerable(Rows()));
        Throws.Saying<InvalidOperationException>(
            () => view.GetColumn<float>("Twice").ToArray(),
            "Row 1: the source gave other rows when it was read a second time, so its rows cannot be read ahead.");
    }

    /// <summary>The reading ahead is the first of the two to go on after row 0, and finds no other row.</summary>
    [TestMethod]
    public void Source_ThatHasMoreRowsWhenReadAgain_IsRefusedByRow()
    {
        var reads = 0;
        IEnumerable<Row> Rows()
        {
            yield return new() { Number = 1 };
            if (reads++ > 0) yield return new() { Number = 2 };
        }

        var view = View(Ml.Data.LoadFromEnumerable(Rows()));
        Throws.Saying<InvalidOperationException>(
            () => view.GetColumn<float>("Twice").ToArray(), "Row 1: the source gave other rows");
    }

    /// <summary>
    /// Who reads two columns one after the other, with equal random numbers, gets values of the same rows.
    /// </summary>
    [TestMethod]
    public void View_Shuffled_HasTheSameOrderWhicheverColumnsAreRead()
    {
        var source = Ml.Data.Cache(Source(Enumerable.Range(0, 40).Select(i => (float)i)));
        var view = View(source);
        Assert.IsTrue(view.CanShuffle);
        var numbers = Read("Number");
        Assert.AreNotSequenceEqual(numbers.Order(), numbers);
        Assert.AreSequenceEqual(numbers.Select(number => 2 * number), Read("Twice"));

        // A view on it reads it twice: with the columns that pass through, and with those that it computes from.
        foreach (var row in ViewConformance.Read(View(view), _ => true, new Random(3)))
            Assert.AreEqual(2 * (float)row.Values[0]!, (float)row.Values[^1]!);

        float[] Read(string name) =>
            [.. ViewConformance.Read(view, column => column.Name == name, new Random(3))
                .Select(row => (float)row.Values[0]!)];
    }

    /// <summary>A row that cannot be read is read ahead of others, which are as they were.</summary>
    [TestMethod]
    public void Row_ThatCannotBeRead_DoesNotAffectTheOthers()
    {
        var view = View([1, Unreadable, 3, 4, 5, 6, 7]);
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<float>(view.Schema["Twice"]);
        var values = new List<float>();
        while (cursor.MoveNext())
        {
            var value = 0f;
            if (cursor.Position == 1)
            {
                Assert.ThrowsExactly<NotSupportedException>(() => getter(ref value));
                continue;
            }

            getter(ref value);
            values.Add(value);
        }

        Assert.AreSequenceEqual([2f, 6, 8, 10, 12, 14], values);
        Assert.AreSequenceEqual([2, 3, 1], _doubling.Batches);
    }

    /// <summary>A cancellation is no error of the row that was being read: nothing is computed any more.</summary>
    [TestMethod]
    public void Row_CancelledWhenReadAhead_StopsBeforeComputing()
    {
        var view = View([1, Cancelled, 3]);
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<float>(view.Schema["Twice"]);
        var value = 0f;

        Assert.IsTrue(cursor.MoveNext());
        Assert.ThrowsExactly<OperationCanceledException>(() => getter(ref value));
        Assert.IsEmpty(_doubling.Batches);
    }

    [TestMethod]
    public void Mapper_Rows_AreComputedOneByOneWhenRead()
    {
        var source = Source([1, float.NaN, 3]);
        var mapper = new AddedColumnsRowMapper<float>(_doubling, new Bindings(source.Schema, _doubling));
        using var input = source.GetRowCursor(source.Schema);
        using var row = mapper.GetRow(input, mapper.OutputSchema);
        var twice = row.GetGetter<float>(mapper.OutputSchema["Twice"]);
        var again = row.GetGetter<float>(mapper.OutputSchema["TwiceAgain"]);
        var value = 0f;

        input.MoveNext();
        Assert.IsEmpty(_doubling.Batches);
        twice(ref value);
        again(ref value);
        Assert.AreEqual(2, value);

        input.MoveNext();
        Throws.Saying<InvalidOperationException>(() => twice(ref value), "Row 1 has no number");
        Throws.Saying<InvalidOperationException>(() => again(ref value), "Row 1 has no number");

        input.MoveNext();
        again(ref value);
        Assert.AreEqual(6, value);
        Assert.AreSequenceEqual([1, 1], _doubling.Batches);
    }

    /// <summary>It has as many columns, but not those that the mapper reads.</summary>
    [TestMethod]
    public void Mapper_RowOfAnotherSchema_IsRefused()
    {
        var mapper = new AddedColumnsRowMapper<float>(_doubling, new Bindings(Source([1]).Schema, _doubling));
        var other = Ml.Data.LoadFromEnumerable([new { Other = 1f }]);
        using var row = other.GetRowCursor(other.Schema);
        Throws.Saying<ArgumentException>(() => mapper.GetRow(row, mapper.OutputSchema), "The row's schema differs");
    }

    [TestMethod]
    [DataRow("Number", 1)]
    [DataRow("Twice", 2)]
    public void Cursor_Disposed_DisposesThoseOnTheSource(string column, int cursors)
    {
        var source = new CountingView(Source([1, 2]));
        var view = View(source);
        using (var cursor = view.GetRowCursor([view.Schema[column]]))
            Assert.AreEqual(cursors, source.Open);

        Assert.AreEqual((0, cursors), (source.Open, source.Opened));
    }

    private static IDataView Source(IEnumerable<float> numbers) =>
        Ml.Data.LoadFromEnumerable(numbers.Select(number => new Row { Number = number }));

    private AddedColumnsView<float> View(IEnumerable<float> numbers) => View(Source(numbers));

    private AddedColumnsView<float> View(IDataView source) =>
        new(_doubling, new Bindings(source.Schema, _doubling), source);

    private sealed class Row
    {
        public float Number { get; set; }
    }

    /// <summary>Doubles numbers, three at a time, and counts what it is asked for.</summary>
    private sealed class Doubling : IRowComputer<float>
    {
        public List<int> Batches { get; } = [];

        public int Checked { get; set; }

        public int ValuesPerRow => 1;

        public int ChooseBatchSize() => 3;

        public float[] Compute(IReadOnlyList<float> rows)
        {
            Batches.Add(rows.Count);
            return [.. rows.Select(number => 2 * number)];
        }
    }

    private sealed class Bindings : RowBindings<float>
    {
        private readonly Doubling _doubling;

        public Bindings(DataViewSchema input, Doubling doubling)
            : base(input)
        {
            _doubling = doubling;
            var builder = new DataViewSchema.Builder();
            builder.AddColumns(input);
            builder.AddColumn("Twice", NumberDataViewType.Single);
            builder.AddColumn("TwiceAgain", NumberDataViewType.Single);
            Output = builder.ToSchema();
        }

        public override DataViewSchema Output { get; }

        public override IEnumerable<DataViewSchema.Column> Inputs => [Input["Number"]];

        public override bool CanCompute(float input) => !float.IsNaN(input);

        public override IRowReader<float> CreateReader(DataViewRow row) =>
            new Reader(row, row.GetGetter<float>(Input["Number"]), _doubling);

        public override Delegate CreateGetter(DataViewSchema.Column column, Func<ReadOnlyMemory<float>> compute) =>
            (ValueGetter<float>)((ref value) => value = compute().Span[0]);
    }

    private sealed class Reader(DataViewRow row, ValueGetter<float> getter, Doubling doubling) : IRowReader<float>
    {
        public float Read()
        {
            var number = 0f;
            getter(ref number);
            return number switch
            {
                Unreadable => throw new NotSupportedException(),
                Cancelled => throw new OperationCanceledException(),
                _ => number,
            };
        }

        public float ReadChecked()
        {
            doubling.Checked++;
            var number = Read();
            return float.IsNaN(number)
                ? throw new InvalidOperationException($"Row {row.Position} has no number.")
                : number;
        }

        public void Dispose() => row.Dispose();
    }
}
