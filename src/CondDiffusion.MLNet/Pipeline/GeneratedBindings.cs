using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Binds a model to an input schema: decides which columns the model reads and which it adds after them.
/// </summary>
internal sealed class GeneratedBindings
{
    private readonly IHost _host;

    /// <exception cref="ArgumentOutOfRangeException">
    /// A column that the model reads is missing or has the wrong type.
    /// </exception>
    public GeneratedBindings(IHost host, ModelDescription model, DataViewSchema input)
    {
        _host = host;
        Model = model;
        Input = input;

        Label = FindLabel();
        LabelValue = FindLabelValue();
        Seed = Find("seed", model.Sampling.SeedColumnName, NumberDataViewType.Int64);
        Guidance = Find("guidance", model.Sampling.GuidanceColumnName, NumberDataViewType.Single);

        Output = CreateOutput();
    }

    public ModelDescription Model { get; }

    public DataViewSchema Input { get; }

    public DataViewSchema Output { get; }

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

    /// <summary>Gets the input columns that decide a row's image, or explain why it has none.</summary>
    public IEnumerable<DataViewSchema.Column> Conditions =>
        new[] { Label, LabelValue, Seed, Guidance }.OfType<DataViewSchema.Column>();

    /// <summary>
    /// Returns whether the model adds this output column. The first one that it adds holds the images.
    /// </summary>
    public bool IsGenerated(DataViewSchema.Column column) => column.Index >= Input.Count;

    /// <summary>Returns whether an output column holds the images, rather than their pixels or input values.</summary>
    public bool IsImage(DataViewSchema.Column column) => column.Index == Input.Count;

    /// <summary>Returns the input columns that some output columns need.</summary>
    public IEnumerable<DataViewSchema.Column> Dependencies(IEnumerable<DataViewSchema.Column> columns) => columns
        .SelectMany(column => IsGenerated(column) ? Conditions : [Input[column.Index]])
        .DistinctBy(column => column.Index)
        .ToArray();

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
