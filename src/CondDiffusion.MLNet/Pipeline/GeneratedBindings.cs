using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Binds a model that generates images to an input schema. It reads labels, seeds and guidance scales, and adds a
/// column of images and, if the model names one, a column of their pixels, [C, H, W].
/// </summary>
internal sealed class GeneratedBindings : RowBindings<Condition>
{
    private readonly IHost _host;

    /// <exception cref="ArgumentOutOfRangeException">
    /// A column that the model reads is missing or has the wrong type.
    /// </exception>
    public GeneratedBindings(IHost host, ModelDescription model, DataViewSchema input)
        : base(input)
    {
        _host = host;
        Model = model;

        Label = FindLabel();
        LabelValue = FindLabelValue();
        Seed = Find("seed", model.Sampling.SeedColumnName, NumberDataViewType.Int64);
        Guidance = Find("guidance", model.Sampling.GuidanceColumnName, NumberDataViewType.Single);

        Output = CreateOutput();
    }

    public ModelDescription Model { get; }

    public override DataViewSchema Output { get; }

    public DataViewSchema.Column Label { get; }

    /// <summary>
    /// Gets the column that the label column hides, as that of MapValueToKey does in place. It has the values of the
    /// keys, which errors name. Null where there is none.
    /// </summary>
    public DataViewSchema.Column? LabelValue { get; }

    /// <summary>Gets the seed column. If it is null, the row's id is its noise key.</summary>
    public DataViewSchema.Column? Seed { get; }

    /// <summary>Gets the column of guidance scales. If it is null, every row has the model's scale.</summary>
    public DataViewSchema.Column? Guidance { get; }

    public override IEnumerable<DataViewSchema.Column> Inputs =>
        new[] { Label, LabelValue, Seed, Guidance }.OfType<DataViewSchema.Column>();

    /// <summary>Returns whether the row has a label, or needs none, and its guidance scale is one.</summary>
    public override bool CanCompute(Condition input) =>
        input.Label is not null && SamplingOptions.IsScale(input.Guidance);

    public override IRowReader<Condition> CreateReader(DataViewRow row) => new ConditionReader(this, row);

    public override Delegate CreateGetter(DataViewSchema.Column column, Func<ReadOnlyMemory<float>> compute) =>
        IsImage(column) ? CreateImageGetter(column, compute) : CreatePixelsGetter(compute);

    private static ValueGetter<VBuffer<float>> CreatePixelsGetter(Func<ReadOnlyMemory<float>> compute) =>
        (ref values) => PixelConversion.CopyClamped(compute().Span, ref values);

    private ValueGetter<MLImage> CreateImageGetter(
        DataViewSchema.Column column, Func<ReadOnlyMemory<float>> compute)
    {
        var shape = Model.Network.ToImageShape();

        // Each call returns a new image, which the reader owns. The image passed in is not disposed: its reader may
        // still hold it.
        return (ref image) =>
        {
            if (shape.Channels is not (1 or 3))
            {
                throw new InvalidOperationException(
                    $"Column '{column.Name}': an image has 1 or 3 channels, " +
                    $"but this model generates {shape.Channels}. " +
                    "Read them as vectors: set the option PixelsColumnName.");
            }

            image = PixelConversion.ToImage(compute().Span, shape);
        };
    }

    /// <summary>
    /// Returns whether an added column, of which the first one holds the images, holds these rather than their pixels.
    /// </summary>
    private bool IsImage(DataViewSchema.Column column) => column.Index == Input.Count;

    private DataViewSchema.Column FindLabel()
    {
        var name = Model.LabelColumnName;
        var label = Input.GetColumnOrNull(name) ?? throw MLNetInternals.MissingColumn(_host, "label", name);
        if (label.Type is not KeyDataViewType)
        {
            throw MLNetInternals.WrongColumn(
                _host, "label", name, "a key (MapValueToKey creates one)", label.Type.ToString()!);
        }

        var found = LabelVocabulary.Read(_host, label);
        if (!found.Matches(Model.Labels))
        {
            throw MLNetInternals.WrongColumn(
                _host, "label", name, $"the trained keys, {Model.Labels}", found.ToString());
        }

        return label;
    }

    private DataViewSchema.Column? FindLabelValue() => Input
        .Where(column => column.IsHidden && column.Name == Label.Name && LabelKind.FindName(column.Type) is not null)
        .Select(column => (DataViewSchema.Column?)column)
        .LastOrDefault();

    /// <summary>
    /// Finds an optional column. Returns null if the model does not name it or the input does not have it.
    /// </summary>
    private DataViewSchema.Column? Find(string role, string? name, DataViewType type)
    {
        if (name is null || Input.GetColumnOrNull(name) is not { } column) return null;
        if (column.Type == type) return column;
        throw MLNetInternals.WrongColumn(_host, role, name, type.ToString()!, column.Type.ToString()!);
    }

    private DataViewSchema CreateOutput()
    {
        var shape = Model.Network;
        var annotations = Model.Labels.ToAnnotations();
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(Input);
        builder.AddColumn(Model.OutputColumnName, new ImageDataViewType(shape.Height, shape.Width), annotations);
        if (Model.PixelsColumnName is { } pixels)
        {
            var type = new VectorDataViewType(NumberDataViewType.Single, shape.Channels, shape.Height, shape.Width);
            builder.AddColumn(pixels, type, annotations);
        }

        return builder.ToSchema();
    }
}
