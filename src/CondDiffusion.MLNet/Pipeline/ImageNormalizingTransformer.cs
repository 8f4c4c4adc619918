using CondDiffusion.MLNet.Pipeline;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

[assembly: LoadableClass(
    typeof(ImageNormalizingTransformer),
    null,
    typeof(SignatureLoadModel),
    "Image normalization of diffusion trainings",
    ImageNormalizingTransformer.LoaderSignature)]

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// The transformer of <see cref="ImageNormalizingEstimator"/>: adds the vectors while a chain is fitted, and leaves its
/// input as it is otherwise. A model file holds nothing of it but its name and version.
/// </summary>
/// <param name="estimator">The estimator that adds the vectors. Null after loading.</param>
internal sealed class ImageNormalizingTransformer(ImageNormalizingEstimator? estimator)
    : ITransformerWithDifferentMappingAtTrainingTime
{
    /// <summary>The loader's name in model files. Never change it: existing files contain it.</summary>
    public const string LoaderSignature = "CondDiffusionNormalize";

    public bool IsRowToRowMapper => true;

    private static VersionInfo Version => new(
        modelSignature: "CONDNORM",
        verWrittenCur: 0x00010001,
        verReadableCur: 0x00010001,
        verWeCanReadBack: 0x00010001,
        loaderSignature: LoaderSignature,
        loaderAssemblyName: typeof(ImageNormalizingTransformer).Assembly.GetName().Name!);

    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return inputSchema;
    }

    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return input;
    }

    public IDataView TransformForTrainingPipeline(IDataView input) => estimator?.Normalize(input) ?? Transform(input);

    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return new IdentityRowMapper(inputSchema);
    }

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ctx.CheckAtModel();
        ctx.SetVersionInfo(Version);
    }

    // ML.NET calls this to load a model file. It finds the method by its name and parameters.
    private static ImageNormalizingTransformer Create(IHostEnvironment environment, ModelLoadContext context)
    {
        environment.CheckValue(context, nameof(context));
        context.CheckAtModel(Version);
        return new(estimator: null);
    }
}
