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
    // The classification accuracy score is highest near it: diversity counts for more than purity.
    private const double DefaultGuidance = 1.25;

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
        var labels = CountLabels(data, out var values, out var rows);
        var largest = labels.Values.DefaultIfEmpty().Max();
        (string Label, long Count)[] wanted =
        [
            .. labels.Select(label => (
                label.Key, options.Amount.Generated(label.Value, largest, options.MostPerReal))),
        ];
        LabelRows = wanted.Where(label => label.Count > 0).ToDictionary(
            label => label.Label, label => FindRow(model.Description.Labels, label.Label));

        Plan = new(rows, wanted, options.Order);
        Columns = new(data.Schema, options, shape, values);
        if (options.Classifier is { } classifier) Classifier = new(classifier, options, Columns);
        if (options.CopyDistance > 0)
            Copies = new(() => new(data, options.ImageColumnName, shape, options.CopyDistance, CheckAlive));

        if (Columns.Resizes)
        {
            var type = data.Schema[options.ImageColumnName].Type;
            Log($"Generated images of {shape.Height} x {shape.Width} are resized to {type}.");
        }
    }

    public AugmentationOptions Options { get; }

    public ImageGenerator Generator { get; }

    public AugmentationPlan Plan { get; }

    public AugmentedColumns Columns { get; }

    /// <summary>The seed of the noise.</summary>
    public ulong Seed { get; }

    public float Guidance { get; }

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
        var trained = ITrainedModel.Find(model)
            ?? throw new ArgumentException("The model does not generate images.", nameof(model));
        return new AugmentedView(new(context, data, trained, options), data);
    }

    public void Log(string line)
    {
        using var channel = _host.Start(nameof(Augment));
        channel.Info(MessageSensitivity.None, line);
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

    private static int FindRow(LabelVocabulary labels, string label)
    {
        try
        {
            return labels.IndexOf(label);
        }
        catch (ArgumentException exception)
        {
            throw new ArgumentException(
                $"The data has the label '{label}', of which the model cannot generate images: it knows {labels}.",
                exception);
        }
    }

    private void CheckImages(IDataView data, ImageShape shape)
    {
        var column = Find(data, Options.ImageColumnName);
        if (column.Type is ImageDataViewType)
        {
            PixelConversion.CheckChannels(shape.Channels);
            return;
        }

        if (column.Type is VectorDataViewType { Size: var size } vector && size == shape.Pixels &&
            vector.ItemType == NumberDataViewType.Single)
        {
            return;
        }

        throw new ArgumentException(
            $"Column '{column.Name}' must hold images, or vectors of {shape.Pixels} Single as the model generates " +
            $"them, but is of type {column.Type}.",
            nameof(data));
    }

    /// <summary>Reads the label column once.</summary>
    /// <param name="data">The real rows.</param>
    /// <param name="values">The value of the label column for each label.</param>
    /// <param name="rows">The number of rows.</param>
    /// <returns>The number of rows of each label, in the order in which they come first.</returns>
    private OrderedDictionary<string, long> CountLabels(
        IDataView data, out Dictionary<string, object> values, out long rows)
    {
        var column = Find(data, Options.LabelColumnName);
        var reader = new LabelReader(column, "real");
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

    private void CheckAlive()
    {
        Options.CancellationToken.ThrowIfCancellationRequested();
        MLNetInternals.CheckAlive(_host);
    }

    private static DataViewSchema.Column Find(IDataView data, string name) => data.Schema.GetColumnOrNull(name)
        ?? throw new ArgumentException($"The data has no column '{name}'.", nameof(data));
}
