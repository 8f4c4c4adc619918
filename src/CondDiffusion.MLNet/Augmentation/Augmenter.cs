using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Augmentation;

/// <summary>Everything that decides the generated rows of an augmented view.</summary>
internal sealed class Augmenter
{
    // More guidance costs diversity, which a classifier needs (docs/benchmarks.md, Quality).
    private const double DefaultGuidance = 1.25;

    /// <summary>The most rows to generate: their labels are in memory.</summary>
    private const int MostRows = 1 << 27;

    private readonly IHost _host;

    private Augmenter(MLContext context, IDataView data, ITrainedModel model, AugmentationOptions options)
    {
        _host = ((IHostEnvironment)context).Register(nameof(Augmenter));
        Options = options;
        Generator = model.Generator;
        Seed = (ulong)(options.Seed ?? MLNetInternals.Seed(_host) ?? 0);
        Guidance = ChooseGuidance(model.Description, options.GuidanceScale);

        var shape = model.Description.Network.ToImageShape();
        CheckImages(data, shape);
        CheckAddedColumn(data);
        var reader = new LabelReader(Find(data, options.LabelColumnName), "real");
        var labels = CountLabels(data, reader, out var values, out var rows);
        var largest = labels.Values.DefaultIfEmpty().Max();
        (string Label, long Count)[] wanted =
        [
            .. labels.Select(label => (
                label.Key, options.Amount.Generated(label.Value, largest, options.MostPerReal))),
        ];
        CheckSize(wanted.Sum(label => (double)label.Count));
        LabelRows = wanted.Where(label => label.Count > 0).ToDictionary(
            label => label.Label,
            label => FindRow(model.Description.Labels, label.Label, reader.HasValues));

        Plan = new(rows, wanted, options.Order);
        Columns = new(data.Schema, options, shape, values);
        if (labels.Count == 0) Warn($"Column '{reader.Name}' has no label in {rows} rows: nothing is generated.");
        if (options.Classifier is { } classifier)
            Classifier = new(classifier, options, Columns, LabelRows.Keys, reader.HasValues);
        if (options.CopyDistance > 0)
        {
            if (Plan.GeneratedRows > 0 && CopyFilter.FindError(rows) is { } error)
                throw new ArgumentException(error, nameof(data));

            // What a failure leaves is not kept: the next reading tries again.
            Copies = new(
                () => new(data, options.ImageColumnName, shape, options.CopyDistance, CheckAlive),
                LazyThreadSafetyMode.PublicationOnly);
        }

        if (Columns.Resizes)
        {
            var type = data.Schema[options.ImageColumnName].Type;
            var said = $"Generated images of {shape.Height} x {shape.Width} are";
            if (Columns.Crops) Warn($"{said} cropped around their centre and resized to {type}.");
            else Log($"{said} resized to {type}.");
        }
    }

    public AugmentationOptions Options { get; }

    public ImageGenerator Generator { get; }

    public AugmentationPlan Plan { get; }

    public AugmentedColumns Columns { get; }

    /// <summary>The seed of the noise.</summary>
    public ulong Seed { get; }

    public float Guidance { get; }

    /// <summary>
    /// The upper half of the ids of generated rows, which neither real rows have nor those that an augmentation of
    /// these rows adds.
    /// </summary>
    public ulong IdOfGeneratedRows => SeedStream.GeneratedRowIds(Seed, Plan.RealRows);

    /// <summary>The row of the model's label table for each label that images are generated of.</summary>
    public IReadOnlyDictionary<string, int> LabelRows { get; }

    /// <summary>What refuses images that do not show their labels; null for nothing.</summary>
    public ClassifierFilter? Classifier { get; }

    /// <summary>What refuses copies, which reads the real images at its first use; null for nothing.</summary>
    public Lazy<CopyFilter>? Copies { get; }

    /// <inheritdoc cref="ImageGenerationCatalog.Augment"/>
    public static IDataView Augment(
        MLContext context, IDataView data, ITransformer model, AugmentationOptions options)
    {
        options.Validate();
        return new AugmentedView(new(context, data, ITrainedModel.Of(model), options), data);
    }

    public void Log(string line)
    {
        using var channel = _host.Start(nameof(Augment));
        channel.Info(MessageSensitivity.None, line);
    }

    public void CheckAlive() => MLNetInternals.CheckAlive(_host, Options.CancellationToken);

    private void Warn(string line)
    {
        using var channel = _host.Start(nameof(Augment));
        channel.Warning(MessageSensitivity.None, line);
    }

    private static float ChooseGuidance(ModelDescription model, double? scale)
    {
        if (scale is not (null or 1) && !model.GeneratesUnlabelled)
        {
            throw new ArgumentException(
                $"{nameof(AugmentationOptions.GuidanceScale)} is {scale}, but the model cannot be guided: it was " +
                "trained without label dropout, or is distilled. Expected null or 1.");
        }

        return (float)(scale ?? (model.GeneratesUnlabelled ? DefaultGuidance : 1));
    }

    /// <summary>Returns the row of a label in the model's label table.</summary>
    /// <param name="labels">The model's labels.</param>
    /// <param name="label">The label, as text: its value or, where the column has none, the number of its key.</param>
    /// <param name="hasValues">Whether the label column has values.</param>
    private static int FindRow(LabelVocabulary labels, string label, bool hasValues)
    {
        if (hasValues && labels.Values is null)
        {
            throw new ArgumentException(
                "The data has labels with values, but the model was trained on keys without values, and does not " +
                "know which is which.");
        }

        try
        {
            // Keys without values are matched by their numbers, as they are in Transform.
            return (hasValues ? labels : labels with { Values = null }).IndexOf(label);
        }
        catch (ArgumentException exception)
        {
            throw new ArgumentException(
                $"The data has the label '{label}', of which the model cannot generate images: it knows {labels}.",
                exception);
        }
    }

    private void CheckAddedColumn(IDataView data)
    {
        if (data.Schema.GetColumnOrNull(Options.IsGeneratedColumnName) is { } column &&
            column.Type is not BooleanDataViewType)
        {
            throw new ArgumentException(
                $"The data has a column '{column.Name}' of type {column.Type}, which is the name of the added column " +
                $"({nameof(AugmentationOptions.IsGeneratedColumnName)}). Expected a boolean one or none.",
                nameof(data));
        }
    }

    private void CheckSize(double rows)
    {
        if (rows <= MostRows) return;

        throw new ArgumentException(
            $"{nameof(AugmentationOptions.Amount)} {Options.Amount} asks for {rows:F0} generated images; " +
            $"{MostRows} are the most.");
    }

    private void CheckImages(IDataView data, ImageShape shape)
    {
        var column = Find(data, Options.ImageColumnName);
        if (column.Type is ImageDataViewType)
        {
            if (shape.Channels is 1 or 3) return;

            throw new ArgumentException(
                $"Column '{column.Name}' holds images, which have 1 or 3 channels, but the model generates " +
                $"{shape.Channels}.",
                nameof(data));
        }

        if (column.Type is VectorDataViewType { Size: > 0 } && shape.IsHeldBy(column.Type)) return;

        throw new ArgumentException(
            $"Column '{column.Name}' must hold images, or vectors of {shape.Pixels} Single in the order {shape} as " +
            $"the model generates them, but is of type {column.Type}.",
            nameof(data));
    }

    /// <summary>Reads the label column once.</summary>
    /// <param name="data">The real rows.</param>
    /// <param name="reader">The label column.</param>
    /// <param name="values">The value of the label column for each label.</param>
    /// <param name="rows">The number of rows.</param>
    /// <returns>The number of rows of each label, in the order in which they come first.</returns>
    private OrderedDictionary<string, long> CountLabels(
        IDataView data, LabelReader reader, out Dictionary<string, object> values, out long rows)
    {
        var column = data.Schema[reader.Name];
        using var cursor = data.GetRowCursor([column]);
        var readLabel = reader.CreateGetter(cursor);
        var readValue = BoxedGetter.Create(cursor, column);
        var counts = new OrderedDictionary<string, long>();
        values = [];
        for (rows = 0; cursor.MoveNext(); rows++)
        {
            CheckAlive();
            var label = readLabel();
            if (label.Length == 0) continue;
            counts[label] = counts.GetValueOrDefault(label) + 1;
            if (counts[label] == 1) values[label] = readValue();
        }

        return counts;
    }

    private static DataViewSchema.Column Find(IDataView data, string name) => data.Schema.GetColumnOrNull(name)
        ?? throw new ArgumentException($"The data has no column '{name}'.", nameof(data));
}
