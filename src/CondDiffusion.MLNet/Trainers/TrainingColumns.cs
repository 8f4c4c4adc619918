using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Trainers;

/// <summary>The columns that a trainer on labelled images reads.</summary>
/// <param name="host">The trainer, as it appears in messages.</param>
/// <param name="options">The names of the columns, and the shape of the images.</param>
internal sealed class TrainingColumns(IHost host, ImageTrainerOptions options)
{
    private const string NormalizeFirst =
        " If NormalizeImages is to make it, put that before the trainer in the same " +
        "chain: what a chain inside a chain makes in training only does not reach the trainer. Or name the image " +
        $"column in {nameof(ImageTrainerOptions.FeatureColumnName)}: the trainer then does the same by itself.";

    /// <summary>Checks the label column and the feature column of a schema's shape.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is missing or of the wrong type.</exception>
    public void Check(SchemaShape schema)
    {
        var label = Find(schema, "label", options.LabelColumnName);
        if (!label.IsKey || label.Kind != SchemaShape.Column.VectorKind.Scalar)
        {
            throw MLNetInternals.WrongColumn(
                host, "label", label.Name, "a key (MapValueToKey makes one)", Describe(label));
        }

        var feature = Find(schema, "feature", options.FeatureColumnName, NormalizeFirst);
        var isScalar = feature.Kind == SchemaShape.Column.VectorKind.Scalar;
        var isVector = feature.Kind == SchemaShape.Column.VectorKind.Vector;
        var isFloats = isVector && feature.ItemType == NumberDataViewType.Single;
        var isImage = isScalar && feature.ItemType is ImageDataViewType;
        if (!isFloats && !isImage)
        {
            throw MLNetInternals.WrongColumn(
                host, "feature", feature.Name, "a vector of Single of known size, or an image", Describe(feature));
        }
    }

    /// <summary>
    /// Checks the columns that the trained model will read. Training has no use for them, but in a chain the
    /// transformer is shown the training data: an error now, not after the training.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">One is of another type.</exception>
    public void CheckSampling(SchemaShape schema, SamplingOptions sampling)
    {
        CheckIfThere(schema, "seed", sampling.SeedColumnName, NumberDataViewType.Int64);
        CheckIfThere(schema, "guidance", sampling.GuidanceColumnName, NumberDataViewType.Single);
    }

    /// <summary>Checks a scalar column, where the schema has it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is of another type.</exception>
    public void CheckIfThere(SchemaShape schema, string role, string? name, DataViewType type)
    {
        var column = schema.FirstOrDefault(column => column.Name == name);
        if (column.Name is null) return;

        var isScalar = column.Kind == SchemaShape.Column.VectorKind.Scalar;
        if (!isScalar || column.IsKey || column.ItemType != type)
            throw MLNetInternals.WrongColumn(host, role, column.Name, type.ToString()!, Describe(column));
    }

    /// <summary>Checks that a schema's shape has a scalar column of a type.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is missing or of another type.</exception>
    public void CheckThere(SchemaShape schema, string role, string name, DataViewType type)
    {
        Find(schema, role, name);
        CheckIfThere(schema, role, name, type);
    }

    /// <summary>
    /// Refuses a vector column whose type says that its values lie in another order than [C, H, W]. A flat type says
    /// nothing about the order.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The order is another.</exception>
    public void CheckLayout(DataViewSchema schema)
    {
        var feature = schema[options.FeatureColumnName];
        if (feature.Type is not VectorDataViewType { Dimensions: { Length: > 1 } dimensions }) return;

        int[] expected = [options.Channels, options.Height, options.Width];
        if (dimensions.SequenceEqual(expected)) return;

        int[] interleaved = [options.Height, options.Width, options.Channels];
        var advice = dimensions.SequenceEqual(interleaved)
            ? "; its colors lie pixel by pixel, so extract them with interleavePixelColors: false"
            : "";
        throw MLNetInternals.WrongColumn(
            host,
            "feature",
            feature.Name,
            $"a vector of channels, height and width, [{string.Join(", ", expected)}], or a flat one",
            $"[{string.Join(", ", dimensions)}]{advice}");
    }

    /// <summary>
    /// Returns the input with its feature column as vectors: an image column goes through
    /// <see cref="ImageNormalizingEstimator"/>.
    /// </summary>
    public IDataView WithVectors(IDataView input)
    {
        var name = options.FeatureColumnName;
        if (input.Schema[name].Type is not ImageDataViewType) return input;
        if (options.Channels is not (1 or 3))
        {
            throw new InvalidOperationException(
                $"Column '{name}' has images, which give 1 or 3 channels, but {nameof(options.Channels)} is " +
                $"{options.Channels}.");
        }

        var shape = new ImageShape(options.Channels, options.Height, options.Width);
        return new ImageNormalizingEstimator(MLNetInternals.CreateTransforms(host), name, name, shape).Normalize(input);
    }

    private SchemaShape.Column Find(SchemaShape schema, string role, string name, string advice = "")
    {
        var column = schema.FirstOrDefault(column => column.Name == name);
        return column.Name is null ? throw MLNetInternals.MissingColumn(host, role, name, advice) : column;
    }

    private static string Describe(SchemaShape.Column column) =>
        $"{column.Kind} of {(column.IsKey ? "Key " : "")}{column.ItemType}";
}
