using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>How a model's columns lie in one input schema: which columns it reads, and which it adds after all of them.</summary>
internal sealed class GeneratedBindings
{
    private readonly ModelDescription _model;
    private readonly IHost _host;

    /// <exception cref="ArgumentOutOfRangeException">A column that the model reads is missing or of the wrong type.</exception>
    public GeneratedBindings(IHost host, ModelDescription model, DataViewSchema input)
    {
        _host = host;
        _model = model;
        Input = input;
        Label = input.GetColumnOrNull(model.LabelColumnName) ?? throw MLNetInternals.MissingColumn(host, "label", model.LabelColumnName);
        CheckLabel();
        Seed = Find("seed", model.SeedColumnName, NumberDataViewType.Int64);
        Guidance = Find("guidance", model.Sampling.GuidanceColumnName, NumberDataViewType.Single);

        var builder = new DataViewSchema.Builder();
        builder.AddColumns(input);
        var shape = model.Network;
        var annotations = model.Labels.ToAnnotations();
        builder.AddColumn(model.OutputColumnName, new ImageDataViewType(shape.Height, shape.Width), annotations);
        if (model.PixelsColumnName is { } pixels)
            builder.AddColumn(pixels, new VectorDataViewType(NumberDataViewType.Single, shape.Channels, shape.Height, shape.Width), annotations);
        Output = builder.ToSchema();
    }

    public DataViewSchema Input { get; }

    public DataViewSchema Output { get; }

    public DataViewSchema.Column Label { get; }

    /// <summary>Null where row ids decide the noise.</summary>
    public DataViewSchema.Column? Seed { get; }

    /// <summary>Null where all rows are guided alike.</summary>
    public DataViewSchema.Column? Guidance { get; }

    /// <summary>The input columns that decide a picture.</summary>
    public IEnumerable<DataViewSchema.Column> Conditions => new[] { Label, Seed, Guidance }.OfType<DataViewSchema.Column>();

    public bool IsGenerated(DataViewSchema.Column column) => column.Index >= Input.Count;

    /// <summary>The input columns needed for some of the output columns.</summary>
    public IEnumerable<DataViewSchema.Column> Dependencies(IEnumerable<DataViewSchema.Column> columns) =>
        columns.SelectMany(column => IsGenerated(column) ? Conditions : [Input[column.Index]]).DistinctBy(column => column.Index).ToArray();

    /// <summary>A getter that reads what decides the current row's picture.</summary>
    public Func<Condition> ConditionGetter(DataViewRow row)
    {
        var getKey = KeyGetter.Create(row, Label);
        var getId = row.GetIdGetter();
        var getSeed = Seed is { } seed ? row.GetGetter<long>(seed) : null;
        var getGuidance = Guidance is { } guidance ? row.GetGetter<float>(guidance) : null;
        DataViewRowId id = default;
        long value = 0;
        return () =>
        {
            var key = getKey();
            var label = key >= 1 && key <= (ulong)_model.Labels.Count ? (int)key - 1 : _model.Unlabelled;
            var scale = float.NaN;
            getGuidance?.Invoke(ref scale);
            if (float.IsNaN(scale)) scale = _model.GuidanceScale;
            if (getSeed is not null)
            {
                getSeed(ref value);
                return new(label, (ulong)value, scale);
            }
            getId(ref id);
            return new(label, new UInt128(id.High, id.Low), scale);
        };
    }

    /// <exception cref="InvalidOperationException">The row has no label, or cannot be guided as it asks.</exception>
    public void Check(Condition condition, DataViewRow row)
    {
        if (condition.Label is null)
            throw new InvalidOperationException(
                $"Row {row.Position}: column '{Label.Name}' has no label (a missing key, as of a value never seen in training), " +
                "and this model was trained with a label for every image (LabelDropout is 0).");
        if (!SamplingOptions.IsScale(condition.Guidance))
            throw new InvalidOperationException(
                $"Row {row.Position}: column '{Guidance!.Value.Name}' must be finite and not negative, but is {condition.Guidance}.");
    }

    /// <summary>A getter for an added column, given the current row's pixels.</summary>
    public Delegate Getter(DataViewSchema.Column column, Func<ReadOnlyMemory<float>> pixels)
    {
        var shape = _model.Network;
        if (column.Index == Input.Count)
        {
            // A new image each time, and the one handed in is left alone: whoever got it may still hold it.
            return (ValueGetter<MLImage>)((ref MLImage image) => image = shape.Channels is 1 or 3
                ? PixelConversion.ToImage(pixels().Span, shape.Channels, shape.Height, shape.Width)
                : throw new InvalidOperationException(
                    $"Column '{column.Name}': an image has 1 or 3 channels, but this model's pictures have {shape.Channels}. " +
                    "Read them as a vector, with PixelsColumnName."));
        }
        return (ValueGetter<VBuffer<float>>)((ref VBuffer<float> values) =>
        {
            var source = pixels().Span;
            var editor = VBufferEditor.Create(ref values, shape.Pixels);
            for (var i = 0; i < source.Length; i++) editor.Values[i] = Math.Clamp(source[i], -1, 1);
            values = editor.Commit();
        });
    }

    /// <summary>A getter of an active column, with the type asked for: one of <paramref name="generated"/>, by index, or the input's own.</summary>
    /// <exception cref="InvalidOperationException">The column is of another type.</exception>
    public ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column, DataViewRow input, IReadOnlyDictionary<int, Delegate> generated) =>
        !IsGenerated(column) ? input.GetGetter<TValue>(Input[column.Index]) : generated[column.Index] as ValueGetter<TValue>
            ?? throw new InvalidOperationException($"Column '{column.Name}' has values of {column.Type.RawType}, not of {typeof(TValue)}.");

    public static InvalidOperationException Inactive(DataViewSchema.Column column) =>
        new($"Column '{column.Name}' is not active: it was not among the columns asked for.");

    private DataViewSchema.Column? Find(string role, string? name, DataViewType type) =>
        name is null || Input.GetColumnOrNull(name) is not { } column ? null
        : column.Type == type ? column
        : throw MLNetInternals.WrongColumn(_host, role, name, type.ToString()!, column.Type.ToString()!);

    private void CheckLabel()
    {
        if (Label.Type is not KeyDataViewType)
            throw MLNetInternals.WrongColumn(_host, "label", Label.Name, "a key (MapValueToKey makes one)", Label.Type.ToString()!);
        var found = LabelVocabulary.Read(_host, Label);
        if (!found.Matches(_model.Labels))
            throw MLNetInternals.WrongColumn(_host, "label", Label.Name, $"the trained keys, {_model.Labels}", found.ToString());
    }
}
