using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Pipeline;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Classification;

/// <summary>
/// Binds a classifier to an input schema. It reads the images, and adds the predicted label, the scores and, if the
/// model names a column for them, the features.
/// </summary>
internal sealed class ClassifierBindings : RowBindings<ImagePixels>
{
    private readonly ClassifierDescription _model;
    private readonly DataViewSchema.Column _feature;

    /// <exception cref="ArgumentOutOfRangeException">
    /// The feature column is missing or has the wrong type.
    /// </exception>
    public ClassifierBindings(IHost host, ClassifierDescription model, DataViewSchema input)
        : base(input)
    {
        _model = model;
        _feature = FindFeature(host);
        Output = CreateOutput();
    }

    public override DataViewSchema Output { get; }

    public override IEnumerable<DataViewSchema.Column> Inputs => [_feature];

    public override bool CanCompute(ImagePixels input) => input.Error is null;

    public override bool IsSame(ImagePixels a, ImagePixels b) => a.IsNear(b);

    public override IRowReader<ImagePixels> CreateReader(DataViewRow row) =>
        new PixelsReader(row, _feature, _model.Network.ToImageShape());

    public override Delegate CreateGetter(DataViewSchema.Column column, Func<ReadOnlyMemory<float>> compute)
    {
        var labels = _model.Network.Labels;
        return (column.Index - Input.Count) switch
        {
            0 => CreateLabelGetter(() => compute().Span[..labels]),
            1 => CreateVectorGetter(() => compute().Span[..labels]),
            _ => CreateVectorGetter(() => compute().Span[labels..]),
        };
    }

    private static ValueGetter<uint> CreateLabelGetter(Part scores) => (ref label) =>
    {
        var values = scores();
        var best = 0;
        for (var i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best]) best = i;
        }

        label = float.IsNaN(values[best]) ? 0 : (uint)best + 1; // 0 is the missing key
    };

    private static ValueGetter<VBuffer<float>> CreateVectorGetter(Part part) => (ref values) =>
    {
        var source = part();
        var editor = VBufferEditor.Create(ref values, source.Length);
        source.CopyTo(editor.Values);
        values = editor.Commit();
    };

    private DataViewSchema.Column FindFeature(IHost host)
    {
        var name = _model.FeatureColumnName;
        var feature = Input.GetColumnOrNull(name) ?? throw MLNetInternals.MissingColumn(host, "feature", name);
        var shape = _model.Network.ToImageShape();
        var takesImages = shape.Channels is 1 or 3;
        if (feature.Type is ImageDataViewType ? takesImages : shape.IsHeldBy(feature.Type)) return feature;

        var vector = $"a vector of {shape.Pixels} Single, {shape} or flat";
        throw MLNetInternals.WrongColumn(
            host, "feature", name, takesImages ? $"{vector}, or an image" : vector, feature.Type.ToString()!);
    }

    private DataViewSchema CreateOutput()
    {
        var labels = _model.Labels;
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(Input);
        builder.AddColumn(
            _model.PredictedLabelColumnName,
            new KeyDataViewType(typeof(uint), labels.Count),
            labels.ToKeyAnnotations());
        builder.AddColumn(
            _model.ScoreColumnName,
            new VectorDataViewType(NumberDataViewType.Single, labels.Count),
            labels.ToSlotAnnotations());
        if (_model.FeaturesColumnName is { } features)
            builder.AddColumn(features, new VectorDataViewType(NumberDataViewType.Single, _model.Network.Features));

        return builder.ToSchema();
    }

    private delegate ReadOnlySpan<float> Part();
}
