using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>Draws one row at a time, for a PredictionEngine: the same picture as the cursor's for the same row.</summary>
internal sealed class GeneratedRowMapper(ImageGenerator generator, GeneratedBindings columns) : IRowToRowMapper
{
    public DataViewSchema InputSchema => columns.Input;

    public DataViewSchema OutputSchema => columns.Output;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        columns.Dependencies(dependingColumns);

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        if (input.Schema != InputSchema)
            throw new ArgumentException("The row's schema is not the one that this mapper was made for.", nameof(input));
        return new Row(generator, columns, input, [.. activeColumns]);
    }

    private sealed class Row : DataViewRow
    {
        private readonly GeneratedBindings _columns;
        private readonly DataViewRow _input;
        private readonly HashSet<int> _active;
        private readonly Dictionary<int, Delegate> _getters = [];

        public Row(ImageGenerator generator, GeneratedBindings columns, DataViewRow input, DataViewSchema.Column[] active)
        {
            _columns = columns;
            _input = input;
            _active = [.. active.Select(column => column.Index)];
            if (!active.Any(columns.IsGenerated)) return;

            var getCondition = columns.ConditionGetter(input);
            long position = -1;
            float[]? pixels = null;
            ReadOnlyMemory<float> Pixels()
            {
                if (pixels is null || position != input.Position)
                {
                    var condition = getCondition();
                    columns.Check(condition, input);
                    pixels = generator.Generate([condition]);
                    position = input.Position;
                }
                return pixels;
            }
            foreach (var column in active.Where(columns.IsGenerated)) _getters[column.Index] = columns.Getter(column, Pixels);
        }

        public override DataViewSchema Schema => _columns.Output;

        public override long Position => _input.Position;

        public override long Batch => _input.Batch;

        public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

        public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) =>
            IsColumnActive(column) ? _columns.GetGetter<TValue>(column, _input, _getters) : throw GeneratedBindings.Inactive(column);

        protected override void Dispose(bool disposing)
        {
            if (disposing) _input.Dispose();
            base.Dispose(disposing);
        }
    }
}
