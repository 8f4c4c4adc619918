using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Conformance;

/// <summary>Checks what every data view has to do, whichever component it comes from.</summary>
internal static class ViewConformance
{
    /// <summary>Reads some columns of every row, and checks on the way what every cursor has to do.</summary>
    public static List<(DataViewRowId Id, object?[] Values)> Read(
        IDataView view, Func<DataViewSchema.Column, bool> select, Random? shuffle = null)
    {
        var columns = view.Schema.Where(select).ToArray();
        var rows = new List<(DataViewRowId, object?[])>();
        var ids = new HashSet<DataViewRowId>();
        using var cursor = view.GetRowCursor(columns, shuffle);
        Assert.AreSame(view.Schema, cursor.Schema, "the cursor's schema");
        foreach (var column in columns)
            Assert.IsTrue(cursor.IsColumnActive(column), $"{column.Name} is active");

        var getters = columns.Select(column => Cells.Getter(cursor, column)).ToArray();
        var getId = cursor.GetIdGetter();
        Assert.AreEqual(-1, cursor.Position, "the position before the first row");
        while (cursor.MoveNext())
        {
            Assert.AreEqual(rows.Count, cursor.Position, "the position");
            DataViewRowId id = default;
            getId(ref id);
            Assert.IsTrue(ids.Add(id), $"the id of row {cursor.Position} is its own");
            rows.Add((id, [.. getters.Select(getter => getter())]));
        }

        Assert.IsFalse(cursor.MoveNext(), "MoveNext stays false");
        if (view.GetRowCount() is { } count)
            Assert.AreEqual(count, rows.Count, "the promised row count");
        return rows;
    }

    /// <summary>
    /// Asserts that two views give equal rows in every way of reading: all columns, every other one, single ones,
    /// shuffled, one cursor for each column, and several threads.
    /// </summary>
    public static void AreEqual(IDataView expected, IDataView actual)
    {
        var all = Read(expected, _ => true);
        AreEqual(all, Read(actual, _ => true), _ => true);
        for (var parity = 0; parity < 2; parity++)
            AreEqual(all, Read(actual, column => column.Index % 2 == parity), column => column % 2 == parity);

        foreach (var column in actual.Schema)
            AreEqual(all, Read(actual, other => other.Index == column.Index), other => other == column.Index);

        Parallel.For(0, 3, _ => AreEqual(all, Read(actual, _ => true), _ => true));
        if (actual.CanShuffle)
        {
            var byId = all.ToDictionary(row => row.Id);
            var shuffled = Read(actual, _ => true, new Random(3));
            AreEqual([.. shuffled.Select(row => byId[row.Id])], shuffled, _ => true, exact: false);
        }

        // A cursor for each column, all moved in step.
        var cursors = actual.Schema.Select(column => actual.GetRowCursor([column])).ToArray();
        var getters = actual.Schema.Select(column => Cells.Getter(cursors[column.Index], column)).ToArray();
        foreach (var (_, values) in all)
        {
            foreach (var cursor in cursors)
                Assert.IsTrue(cursor.MoveNext(), "cursors in step");

            for (var i = 0; i < getters.Length; i++)
                Cells.AreEqual(values[i], getters[i](), exact: true, $"{actual.Schema[i].Name}, in step");
        }

        foreach (var cursor in cursors)
            cursor.Dispose();
    }

    /// <summary>
    /// Asserts that a cursor refuses columns that were not asked for, and values of another type than the column's.
    /// </summary>
    public static void Refuses(IDataView view)
    {
        foreach (var column in view.Schema)
        {
            using var other = view.GetRowCursor(view.Schema.Where(active => active.Index != column.Index));
            Assert.IsFalse(other.IsColumnActive(column), $"{column.Name} is inactive");
            Fails(() => Cells.Getter(other, column), $"a getter of the inactive {column.Name}");
            using var cursor = view.GetRowCursor([column]);
            Fails(() => cursor.GetGetter<Other>(column), $"a getter of {column.Name} with a wrong type");
        }
    }

    /// <summary>Asserts that schemas have equal columns, types and annotations, with equal values.</summary>
    public static void AreEqual(DataViewSchema expected, DataViewSchema actual, string what)
    {
        Assert.AreSequenceEqual(expected.Select(column => column.Name), actual.Select(column => column.Name), what);
        foreach (var (a, b) in expected.Zip(actual))
        {
            Assert.AreEqual(a.Type, b.Type, $"{what}: the type of {a.Name}");
            Assert.AreEqual(a.IsHidden, b.IsHidden, $"{what}: {a.Name} is hidden");
            Assert.AreEqual(expected[a.Name].Index, actual[a.Name].Index, $"{what}: the index of {a.Name}");
            var kinds = a.Annotations.Schema;
            Assert.AreSequenceEqual(
                kinds.Select(kind => (kind.Name, kind.Type)),
                b.Annotations.Schema.Select(kind => (kind.Name, kind.Type)),
                SequenceOrder.InAnyOrder,
                $"{what}: the annotations of {a.Name}");
            foreach (var kind in kinds)
            {
                var twin = b.Annotations.Schema[kind.Name];
                var value = Cells.Getter(a.Annotations, kind)();
                var twinValue = Cells.Getter(b.Annotations, twin)();
                Cells.AreEqual(value, twinValue, exact: true, $"{what}: {kind.Name} of {a.Name}");
            }
        }
    }

    /// <summary>Asserts that an action fails as ML.NET's components do.</summary>
    public static void Fails(Action action, string what)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            return;
        }

        Assert.Fail($"{what} must fail");
    }

    private static void AreEqual(
        List<(DataViewRowId Id, object?[] Values)> all,
        List<(DataViewRowId Id, object?[] Values)> some,
        Func<int, bool> select,
        bool exact = true)
    {
        Assert.HasCount(all.Count, some, "rows");
        foreach (var ((id, values), row) in all.Zip(some))
        {
            Assert.AreEqual(id, row.Id, "row ids");
            var selected = values.Where((_, i) => select(i)).ToArray();
            for (var i = 0; i < selected.Length; i++)
                Cells.AreEqual(selected[i], row.Values[i], exact, $"row {id}, active column {i}");
        }
    }

    private readonly struct Other;
}
