using CondDiffusion.MLNet.Onnx.Export;
using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>Saves trained generators of images as ONNX files.</summary>
/// <remarks>
/// A file goes all the way from noise to images. Its inputs are <c>label</c>, int64 [N], the number of each image's
/// label from 0, negative for none; <c>noise</c>, float [N, C, H, W], standard normal; and, of a model that was trained
/// with <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/> and is not distilled, <c>guidance</c>,
/// float [N], the guidance scale of each image. Its output is <c>pixels</c>, float [N, C, H, W], in [-1, 1] with
/// <see cref="SamplingOptions.ClipPixels"/> and approximately so without it, as in distilled models. An image with an
/// invalid label is NaN.
/// </remarks>
public static class OnnxExtensions
{
    /// <summary>Saves a model in memory as an ONNX file.</summary>
    /// <param name="catalog">The catalog, <c>mlContext.ImageGeneration</c>.</param>
    /// <param name="model">
    /// A <see cref="ConditionalDiffusionTransformer"/>, or a chain that contains one; of several, the first is saved.
    /// </param>
    /// <param name="path">Path of the file, which is written completely or not at all, and replaced.</param>
    /// <param name="options">Weights and sampling of the file; null for the defaults.</param>
    /// <exception cref="ArgumentException">
    /// The model does not generate images; its sampler adds fresh noise; or an option is invalid. The message says
    /// which, and what to choose.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// A weight is beyond float16, or all weights are beyond the size of an ONNX file, 2 GB.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public static void SaveAsOnnx(
        this ImageGenerationCatalog catalog, ITransformer model, string path, OnnxExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        OnnxExporter.Save(ExportedModel.From(model), path, options ?? new());
    }

    /// <summary>
    /// Converts a model file of ML.NET to an ONNX file. Neither libtorch nor any component of the model file is loaded.
    /// </summary>
    /// <param name="catalog">The catalog, <c>mlContext.ImageGeneration</c>.</param>
    /// <param name="modelPath">
    /// Path of the model file with a <see cref="ConditionalDiffusionTransformer"/>, alone or in a chain; of several,
    /// the first is converted.
    /// </param>
    /// <param name="path">Path of the ONNX file, which is written completely or not at all, and replaced.</param>
    /// <param name="options">Weights and sampling of the ONNX file; null for the defaults.</param>
    /// <exception cref="FormatException">
    /// The model file is damaged, needs a newer version of the library, or holds no generator of images. The message
    /// names the file and says which.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The model's sampler adds fresh noise, or an option is invalid. The message says which, and what to choose.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// A weight is beyond float16, or all weights are beyond the size of an ONNX file, 2 GB.
    /// </exception>
    public static void ConvertToOnnx(
        this ImageGenerationCatalog catalog, string modelPath, string path, OnnxExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        OnnxExporter.Save(ExportedModel.FromFile(catalog.Context, modelPath), path, options ?? new());
    }
}
