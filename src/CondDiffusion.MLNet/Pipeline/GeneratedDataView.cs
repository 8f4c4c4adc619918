using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// A view that adds the generated columns to its source, lazily and in batches: its cursor opens two cursors on the source, one for the
/// columns that pass through, one that runs a batch ahead and reads labels only. Nothing is drawn until a generated value is read.
/// </summary>
internal sealed class GeneratedDataView(ImageGenerator generator, GeneratedBindings columns, IDataView source) : IDataView
{
    public DataViewSchema Schema => columns.Output;

    public bool CanShuffle => source.CanShuffle;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var needed = columnsNeeded.ToArray();
        var dependencies = columns.Dependencies(needed);
        if (!needed.Any(columns.IsGenerated)) return new Cursor(columns, source.GetRowCursor(dependencies, rand), null, needed);

        // Both cursors must shuffle alike.
        var seed = rand?.Next();
        Random? Shuffle() => seed is { } value ? new Random(value) : null;
        var rows = source.GetRowCursor(dependencies, Shuffle());
        var ahead = source.GetRowCursor(columns.Conditions, Shuffle());
        return new Cursor(columns, rows, new Batches(generator, columns, ahead), needed);
    }

    /// <summary>One cursor: drawing uses every core already.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor : DataViewRowCursor
    {
        private readonly GeneratedBindings _columns;
        private readonly DataViewRowCursor _rows;
        private readonly Batches? _batches;
        private readonly HashSet<int> _active;
        private readonly Dictionary<int, Delegate> _getters = [];
        private readonly Func<Condition>? _getCondition;
        private long _row = -1;
        private bool _ended;

        public Cursor(GeneratedBindings columns, DataViewRowCursor rows, Batches? batches, DataViewSchema.Column[] needed)
        {
            _columns = columns;
            _rows = rows;
            _batches = batches;
            _active = [.. needed.Select(column => column.Index)];
            if (batches is not null) _getCondition = columns.ConditionGetter(rows);
            foreach (var column in needed.Where(columns.IsGenerated)) _getters[column.Index] = columns.Getter(column, Pixels);
        }

        public override DataViewSchema Schema => _columns.Output;

        public override long Position => _rows.Position;

        public override long Batch => _rows.Batch;

        public override bool MoveNext()
        {
            if (_ended || !_rows.MoveNext())
            {
                _ended = true;
                return false;
            }
            _row++;
            return true;
        }

        public override ValueGetter<DataViewRowId> GetIdGetter() => _rows.GetIdGetter();

        public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) =>
            IsColumnActive(column) ? _columns.GetGetter<TValue>(column, _rows, _getters) : throw GeneratedBindings.Inactive(column);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _rows.Dispose();
                _batches?.Dispose();
            }
            base.Dispose(disposing);
        }

        private ReadOnlyMemory<float> Pixels()
        {
            if (_row < 0 || _ended) throw new InvalidOperationException("The cursor is not on a row: call MoveNext first.");
            var condition = _getCondition!();
            _columns.Check(condition, _rows);
            return _batches!.Picture(_row, condition);
        }
    }

    /// <summary>The look-ahead: from the first row whose picture is read, the conditions of a batch of rows, and their pictures.</summary>
    private sealed class Batches(ImageGenerator generator, GeneratedBindings columns, DataViewRowCursor ahead) : IDisposable
    {
        private readonly Func<Condition> _getCondition = columns.ConditionGetter(ahead);
        private readonly List<Condition> _conditions = [];
        private ReadOnlyMemory<float>[]? _pictures;
        private int? _batchSize;
        private long _first; // the row of the first condition
        private long _next; // the row that the cursor moves to next

        /// <summary>The pixels of a row, which the other cursor found to have <paramref name="condition"/>.</summary>
        public ReadOnlyMemory<float> Picture(long row, Condition condition)
        {
            if (row >= _first + _conditions.Count) Read(row);
            var index = (int)(row - _first);
            if (index >= _conditions.Count || _conditions[index] != condition)
                throw new InvalidOperationException(
                    $"Row {row}: the source gave other rows when read a second time, so that labels cannot be read ahead. Cache it first.");
            _pictures ??= Draw();
            return _pictures[index];
        }

        public void Dispose() => ahead.Dispose();

        private void Read(long first)
        {
            _pictures = null;
            _conditions.Clear();
            while (_next < first && ahead.MoveNext()) _next++;
            _first = _next;
            _batchSize ??= generator.ChooseBatchSize();
            for (; _conditions.Count < _batchSize && ahead.MoveNext(); _next++) _conditions.Add(_getCondition());
        }

        /// <summary>Draws the batch, but for rows without a label: those are errors of their own, and leave the others alone.</summary>
        private ReadOnlyMemory<float>[] Draw()
        {
            var labelled = Enumerable.Range(0, _conditions.Count).Where(i => _conditions[i].Label is not null).ToArray();
            var pixels = generator.Generate([.. labelled.Select(i => _conditions[i])]);
            var pictures = new ReadOnlyMemory<float>[_conditions.Count];
            for (var i = 0; i < labelled.Length; i++) pictures[labelled[i]] = pixels.AsMemory(i * generator.Shape.Pixels, generator.Shape.Pixels);
            return pictures;
        }
    }
}
