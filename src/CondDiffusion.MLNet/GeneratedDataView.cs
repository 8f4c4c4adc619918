using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet;

/// <summary>
/// A view that adds the generated columns to its source, lazily and in batches: its cursor opens two cursors on the source, one for the
/// columns that pass through, one that runs a batch ahead and reads labels only. Nothing is drawn until a generated value is read.
/// </summary>
internal sealed class GeneratedDataView(ImageGenerator generator, GeneratedColumns columns, int batchSize, IDataView source) : IDataView
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
        return new Cursor(columns, rows, new Batches(generator, columns, ahead, batchSize), needed);
    }

    /// <summary>One cursor: drawing uses every core already.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor : DataViewRowCursor
    {
        private readonly GeneratedColumns _columns;
        private readonly DataViewRowCursor _rows;
        private readonly Batches? _batches;
        private readonly HashSet<int> _active;
        private readonly Dictionary<int, Delegate> _getters = [];
        private readonly ValueGetter<DataViewRowId> _getId;
        private bool _ended;

        public Cursor(GeneratedColumns columns, DataViewRowCursor rows, Batches? batches, DataViewSchema.Column[] needed)
        {
            _columns = columns;
            _rows = rows;
            _batches = batches;
            _active = [.. needed.Select(column => column.Index)];
            _getId = rows.GetIdGetter();
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
            _batches?.MoveNext();
            return true;
        }

        public override ValueGetter<DataViewRowId> GetIdGetter() => _rows.GetIdGetter();

        public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (!IsColumnActive(column)) throw GeneratedColumns.Inactive(column);
            return _columns.IsGenerated(column)
                ? GeneratedColumns.Cast<TValue>(_getters.GetValueOrDefault(column.Index), column)
                : _rows.GetGetter<TValue>(_columns.Input[column.Index]);
        }

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
            if (Position < 0 || _ended) throw new InvalidOperationException("The cursor is not on a row: call MoveNext first.");
            DataViewRowId id = default;
            _getId(ref id);
            return _batches!.Pixels(id);
        }
    }

    /// <summary>The look-ahead: the conditions of a batch of rows, and their pictures once one is asked for.</summary>
    private sealed class Batches(ImageGenerator generator, GeneratedColumns columns, DataViewRowCursor ahead, int batchSize) : IDisposable
    {
        private readonly Func<Condition> _condition = columns.ConditionGetter(ahead);
        private readonly ValueGetter<DataViewRowId> _getId = ahead.GetIdGetter();
        private readonly List<(DataViewRowId Id, long Position)> _rows = [];
        private readonly List<Condition> _conditions = [];
        private float[]? _pixels;
        private int _index = -1;

        public void MoveNext()
        {
            if (++_index < _rows.Count) return;
            _index = 0;
            _pixels = null;
            _rows.Clear();
            _conditions.Clear();
            while (_rows.Count < batchSize && ahead.MoveNext())
            {
                DataViewRowId id = default;
                _getId(ref id);
                _rows.Add((id, ahead.Position));
                _conditions.Add(_condition());
            }
        }

        /// <summary>The pixels of the current row, which the other cursor knows by <paramref name="id"/>.</summary>
        public ReadOnlyMemory<float> Pixels(DataViewRowId id)
        {
            if (_index >= _rows.Count || !_rows[_index].Id.Equals(id))
                throw new InvalidOperationException("The source gave its rows in two different orders, so that labels cannot be read ahead. Cache it first.");
            _pixels ??= generator.Generate(
                [.. _conditions.Select(condition => condition.Label)], [.. _conditions.Select(condition => condition.Noise)]);
            return _pixels.AsMemory(_index * generator.Shape.Pixels, generator.Shape.Pixels);
        }

        public void Dispose() => ahead.Dispose();
    }
}
